// What is on the disk of an installation when it is looked at from outside: its ledger and its sealed recordings.
import { join } from 'node:path'
import { readChunks } from '../../src/archive/stored-file.ts'
import { type AuditEvent, decodeLeaf } from '../../src/audit.ts'
import { ByteSource } from '../../src/recording/byte-source.ts'
import { readLines } from '../../src/recording/content.ts'
import { bytesOf, decodeLine, type EventLine, type Stream } from '../../src/recording/event-line.ts'
import type { VerifyReport } from '../../src/recording/finding.ts'
import { readLedger } from '../../src/store/ledger-reader.ts'
import { run } from '../support/terminal.ts'
import { mainFile } from './serving.ts'
import type { Surroundings } from './surroundings.ts'

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

/** The sessions of a user with their seals, in the order in which they were opened. Fails when one has none. */
export async function sealedSessions(state: string, user: string): Promise<SealedSession[]> {
  const ledger = await ledgerOf(state)
  const opened = ledger.filter((event) => event.type === 'session-opened').filter((event) => event.user === user)
  return opened.map((one) => {
    const sealed = ledger
      .filter((event) => event.type === 'session-sealed')
      .find(({ session }) => session === one.session)
    if (sealed === undefined) throw new Error(`session ${one.session} is not sealed`)
    return { opened: one, sealed }
  })
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

/** `halligan verify --all` as an auditor runs it, with the pinned key. */
export async function verifyAll(
  { state, recordings, publicKeyFile }: Surroundings,
  prefix: readonly string[] = [],
): Promise<{ readonly status: number | null; readonly report: VerifyReport }> {
  const places = ['--state', state, '--recordings', recordings, '--key', publicKeyFile]
  const [file = '', ...args] = [...prefix, process.execPath, mainFile, 'verify', '--all', '--json', ...places]
  const { status, stdout } = await run(file, args)
  return { status, report: JSON.parse(stdout.toString()) as VerifyReport }
}
