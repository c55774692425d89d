// What happened in a terminal session besides its bytes: channel requests, file operations, notices, its end.

import type { Recorded } from './recorded.ts'

export interface SessionFact {
  readonly at: number
  readonly label: string
  readonly text: string
  readonly isBad: boolean
}

const labels: Readonly<Record<string, string>> = {
  c: 'channel',
  f: 'file',
  h: 'bulk',
  n: 'notice',
  r: 'resize',
  m: 'marker',
  x: 'exit',
}

/** The facts in order. */
export function factsOf(events: readonly Recorded[]): SessionFact[] {
  return events.flatMap(({ at, code, data }) => {
    const label = labels[code]
    if (label === undefined) return []
    const text = textOf(data)
    return [{ at, label, text, isBad: isBad(code, data) }]
  })
}

function textOf(data: unknown): string {
  if (typeof data !== 'object' || data === null) return String(data)
  const fact = data as Readonly<Record<string, unknown>>
  const main = fact['text'] ?? fact['message']
  if (typeof main === 'string') return main
  return Object.entries(fact)
    .map(([name, value]) => `${name} ${shortened(typeof value === 'string' ? value : JSON.stringify(value))}`)
    .join(' · ')
}

/** Encoded terminal modes and the like are for machines; the recording has them whole. */
const VALUE_CHARS = 120

function shortened(value: string): string {
  return value.length > VALUE_CHARS ? `${value.slice(0, VALUE_CHARS)}… (${value.length} characters)` : value
}

const badEnds = [
  'killed',
  'revoked',
  'expired',
  'recorder-failed',
  'recording-full',
  'no-room',
  'protocol-violation',
  'unannounced',
]

function isBad(code: string, data: unknown): boolean {
  if (code === 'x') return String(data) !== '0'
  const { kind, reason } = (data ?? {}) as { kind?: unknown; reason?: unknown }
  return kind === 'unannounced' || (kind === 'end' && badEnds.includes(String(reason)))
}
