// What is on the disk of an installation when it is looked at from outside: its ledger and its sealed recordings.
import { join } from 'node:path'
import { readChunks } from '../../src/archive/stored-file.ts'
import { type AuditEvent, type AuditEventType, decodeLeaf } from '../../src/audit.ts'
import { ByteSource } from '../../src/recording/byte-source.ts'
import { readLines } from '../../src/recording/content.ts'
import { bytesOf, decodeLine, type EventLine, type Stream } from '../../src/recording/event-line.ts'
import type { VerifyReport } from '../../src/recording/finding.ts'
import { readLedger } from '../../src/store/ledger-reader.ts'
import { run } from '../support/terminal.ts'
import { mainFile } from './serving.ts'

/** Every row of the ledger, in order. */
export async function ledgerOf(state: string): Promise<(AuditEvent & { readonly at: number })[]> {
  const events: (AuditEvent & { readonly at: number })[] = []
  for await (const { leaf } of readLedger(join(state, 'halligan.db'))) events.push(decodeLeaf(leaf))
  return events
}

export interface SealedSession {
  readonly opened: Extract<AuditEvent, { type: 'session-opened' }>
  readonly sealed: Extract<AuditEvent, { type: 'session-sealed' }>
}

/** The rows of one type. */
export function only<Type extends AuditEventType>(
  ledger: readonly AuditEvent[],
  type: Type,
): Extract<AuditEvent, { type: Type }>[] {
  return ledger.filter((event): event is Extract<AuditEvent, { type: Type }> => event.type === type)
}

/** The sessions of a user with their seals, as they were opened. Fails when any has no seal. */
export async function allSealed(state: string, user: string): Promise<SealedSession[]> {
  const ledger = await ledgerOf(state)
  const seals = new Map(only(ledger, 'session-sealed').map((sealed) => [sealed.session, sealed]))
  return only(ledger, 'session-opened').flatMap((opened) => {
    if (opened.user !== user) return []
    const sealed = seals.get(opened.session)
    if (sealed === undefined) throw new Error(`session ${opened.session} is not sealed`)
    return [{ opened, sealed }]
  })
}

/** Those of them that ended by `reason`. */
export async function sealedSessions(state: string, user: string, reason: string): Promise<SealedSession[]> {
  return (await allSealed(state, user)).filter(({ sealed }) => sealed.endReason === reason)
}

/** Reads the recordings of `sessions`; gives those of a target, in the same order. */
export async function recordingsOf(
  recordings: string,
  sessions: readonly SealedSession[],
): Promise<(target: string) => EventLine[][]> {
  const read = await Promise.all(
    sessions.map(async ({ opened, sealed }) => ({ opened, lines: await recordedLines(recordings, sealed.file) })),
  )
  return (target) => read.filter(({ opened }) => opened.target === target).map(({ lines }) => lines)
}

/** The lines of a sealed file. Fails when it is not sound to its end. */
export async function recordedLines(recordings: string, file: string): Promise<EventLine[]> {
  const lines: EventLine[] = []
  for await (const part of readLines(new ByteSource(readChunks(join(recordings, file))))) {
    if (part.kind === 'broken') throw new Error(`${file} is broken: ${part.why}`)
    if (part.kind === 'lines') lines.push(...part.lines.map((line) => decodeLine(line)))
  }
  return lines
}

/** All bytes of one stream. */
export function streamOf(lines: readonly EventLine[], stream: Stream): Buffer {
  const bytes = lines.flatMap((line) => {
    const read = bytesOf(line)
    return read?.stream === stream ? [read.bytes] : []
  })
  return Buffer.concat(bytes)
}

/** The data of every line with this code. */
export function factsOf(lines: readonly EventLine[], code: string): Record<string, unknown>[] {
  return lines.flatMap((line) =>
    line.kind === 'event' && line.code === code ? [line.data as Record<string, unknown>] : [],
  )
}

/** What is verified of an installation, and with what. */
export interface Installation {
  readonly state: string
  readonly recordings: string
  readonly publicKeyFile: string
}

/** `halligan verify --all` as an auditor runs it, with the pinned key. */
export async function verifyAll({
  state,
  recordings,
  publicKeyFile,
}: Installation): Promise<{ readonly status: number | null; readonly report: VerifyReport }> {
  const places = ['--state', state, '--recordings', recordings, '--key', publicKeyFile]
  const { status, stdout } = await run(process.execPath, [mainFile, 'verify', '--all', '--json', ...places])
  return { status, report: JSON.parse(stdout.toString()) as VerifyReport }
}
