// Opening a recording for someone to see: verified first, and refused with its finding when it does not verify.

import type { Readable } from 'node:stream'
import { HalliganError } from '../errors.ts'
import type { SessionRecord } from '../session/session.ts'
import type { HttpPorts, OpenedRecording, RecordedLine } from './ports.ts'
import { UnprovenRecording } from './problem.ts'

type ShownRecording = Exclude<OpenedRecording, { kind: 'finding' }>

/** Throws `recording_altered` with the finding. */
export async function openRecording(
  ports: Pick<HttpPorts, 'recordings'>,
  session: SessionRecord,
): Promise<ShownRecording> {
  const opened = await ports.recordings.open(session)
  if (opened.kind === 'finding') throw new UnprovenRecording(opened.finding, opened.message)
  return opened
}

/** The lines of a session as it stands now. Throws `not_found`, `recording_altered`. */
export async function openLines(
  ports: Pick<HttpPorts, 'recordings' | 'state'>,
  id: string,
): Promise<(fromSeq: number) => AsyncIterable<RecordedLine>> {
  const session = await ports.state.session(id)
  if (session === undefined) throw new HalliganError('not_found', `no session ${id}`)
  const opened = await openRecording(ports, session)
  return (fromSeq) => opened.lines(fromSeq)
}

/** The sealed file for download. Throws `conflict` while there is none, `recording_altered`. */
export async function openFile(
  ports: Pick<HttpPorts, 'recordings'>,
  session: SessionRecord,
): Promise<{ readonly stream: () => Readable; readonly sizeBytes: number }> {
  const opened = await openRecording(ports, session)
  if (opened.kind === 'journal')
    throw new HalliganError('conflict', `session ${session.id} is not sealed yet`, {
      hint: 'watch it live, or download it when it has ended',
    })
  // Opened by whoever sends it, at once: an open that failed while nobody listened would end the process.
  return { stream: () => opened.file(), sizeBytes: opened.sizeBytes }
}

/** One chunk of an answer holds about this much, so that many short lines are not as many writes. */
const CHUNK_BYTES = 64 * 1024

/** Lines `from` (inclusive) to `to` (exclusive) as NDJSON. */
export async function* ndjson(
  opened: { lines(fromSeq: number): AsyncIterable<RecordedLine> },
  from: number,
  to: number,
): AsyncGenerator<Buffer> {
  let chunk: Buffer[] = []
  let size = 0
  for await (const { seq, line } of opened.lines(from)) {
    if (seq < from) continue
    if (seq >= to) break
    chunk.push(line, NEWLINE)
    size += line.length + 1
    if (size < CHUNK_BYTES) continue
    yield Buffer.concat(chunk)
    chunk = []
    size = 0
  }
  if (size > 0) yield Buffer.concat(chunk)
}

const NEWLINE = Buffer.from('\n')
