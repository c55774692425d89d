// What differs between two configurations, one readable line for each field: for the ledger, the alert and the page. Pure.
// It shows names and rules, never an address that may itself be a key.

import { formatDuration } from '../access/duration.ts'
import { describeWindow } from '../access/window.ts'
import type { Config } from './config.ts'

/** Beyond it a change is a new configuration; the rest is counted. */
export const MAX_CHANGES = 200
const MAX_LINE_LENGTH = 300

/** Lists whose entries have names, and what one of them is called. */
const NAMED = {
  users: 'user',
  targets: 'target',
  channels: 'channel',
  anchors: 'anchor',
  checks: 'check',
  drills: 'drill',
  policies: 'policy',
} as const

/** Everything else that is a setting of the installation. */
const SETTINGS = [
  'hostname',
  'listen',
  'stateDirectory',
  'recordingsDirectory',
  'journal',
  'recording',
  'secrets',
] as const

/** Fields that follow from others. */
const DERIVED: ReadonlySet<string> = new Set(['hash', 'name'])

/** Fields whose text may open a door, or is too long to say anything: only that they changed is told. */
const UNTOLD: ReadonlySet<string> = new Set(['url', 'ca', 'headers', 'env', 'argv'])

/** One line for each difference, in the order of the file's parts; empty when nothing that counts differs. */
export function diffConfig(before: Config, after: Config): string[] {
  const lines = [
    ...SETTINGS.flatMap((field) => differences(field, field, before[field], after[field])),
    ...Object.entries(NAMED).flatMap(([list, what]) => {
      const key = list as keyof typeof NAMED
      return listDifferences(what, before[key], after[key])
    }),
  ].map(shown)
  return lines.length <= MAX_CHANGES
    ? lines
    : [...lines.slice(0, MAX_CHANGES), `and ${lines.length - MAX_CHANGES} more`]
}

/**
 * What changed and cannot while Halligan runs: listeners are bound, files are open, clients have pinned the name. Empty
 * when it all can.
 */
export function needsRestart(before: Config, after: Config): string[] {
  const fixed = ['hostname', 'listen', 'stateDirectory', 'recordingsDirectory', 'journal'] as const
  return [
    ...fixed.flatMap((field) => differences(field, field, before[field], after[field])),
    ...differences('secrets.key', 'key', before.secrets.key, after.secrets.key),
  ].map(shown)
}

interface Named {
  readonly name: string
}

function listDifferences(what: string, before: readonly Named[], after: readonly Named[]): string[] {
  const [then, now] = [new Map(before.map((one) => [one.name, one])), new Map(after.map((one) => [one.name, one]))]
  const changed = [...now].flatMap(([name, one]) => {
    const old = then.get(name)
    return old === undefined ? [`${what} ${name}: added`] : differences(`${what} ${name}`, '', old, one)
  })
  const removed = [...then.keys()].filter((name) => !now.has(name)).map((name) => `${what} ${name}: removed`)
  const [order, ordered] = [
    [...then.keys()].filter((name) => now.has(name)),
    [...now.keys()].filter((name) => then.has(name)),
  ]
  // Order decides nothing but the default of what is listed.
  const moved =
    what === 'target' || order.every((name, index) => name === ordered[index]) ? [] : [`${what} list: reordered`]
  return [...removed, ...changed, ...moved]
}

function differences(place: string, field: string, before: unknown, after: unknown): string[] {
  if (isEqual(before, after)) return []
  if (UNTOLD.has(field)) return [`${place}: changed`]
  if (isList(before) && isList(after)) return elementDifferences(place, field, before, after)
  if (isObject(before) && isObject(after)) {
    const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((key) => !DERIVED.has(key))
    return fields.flatMap((key) => {
      const below = place.includes(' ') && !place.includes(':') ? `${place}: ${key}` : `${place}.${key}`
      return differences(below, key, before[key], after[key])
    })
  }
  return [`${place}: ${text(field, before)} -> ${text(field, after)}`]
}

/** Lists of plain values read best as what came and went; of rules, each by its place. */
function elementDifferences(
  place: string,
  field: string,
  before: readonly unknown[],
  after: readonly unknown[],
): string[] {
  const [then, now] = [before.map((one) => text(field, one)), after.map((one) => text(field, one))]
  const gone = then.filter((one) => !now.includes(one)).map((one) => `-${one}`)
  const come = now.filter((one) => !then.includes(one)).map((one) => `+${one}`)
  const parts = [...gone, ...come]
  return [`${place}: ${parts.length === 0 ? 'reordered' : parts.join(' ')}`]
}

function text(field: string, value: unknown): string {
  if (value === undefined || value === null) return 'none'
  if (typeof value === 'number') return field.endsWith('Ms') ? formatDuration(value) : String(value)
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return String(value)
  if (isList(value)) return value.length === 0 ? 'none' : value.map((one) => text(field, one)).join(', ')
  if (!isObject(value)) return typeof value
  if (field === 'windows') return describeWindow(value as unknown as Parameters<typeof describeWindow>[0])
  if (field === 'keys') return text('fingerprint', value['fingerprint'])
  const parts = Object.entries(value).map(([key, held]) => `${key} ${UNTOLD.has(key) ? '…' : text(key, held)}`)
  return `{${parts.join(', ')}}`
}

function isEqual(left: unknown, right: unknown): boolean {
  return Object.is(left, right) || JSON.stringify(left) === JSON.stringify(right)
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** One printable line: it goes into terminals and alerts. */
function shown(line: string): string {
  const printable = line.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '�')
  return printable.length <= MAX_LINE_LENGTH ? printable : `${printable.slice(0, MAX_LINE_LENGTH)}…`
}
