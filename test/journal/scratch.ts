import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { FileSystem } from '../../src/journal/file-port.ts'
import { type OpenJournal, openJournal } from '../../src/journal/journal.ts'
import type { JournalEntry } from '../../src/session/recorder.ts'

/** An empty directory that is gone after the test. */
export function scratchDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'halligan-journal-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Opens the journal below `directory`; the caller closes it. */
export function openIn(
  directory: string,
  options: { readonly segmentBytes?: number; readonly fileSystem?: FileSystem } = {},
): Promise<OpenJournal> {
  return openJournal({
    dir: join(directory, 'journal'),
    segmentBytes: options.segmentBytes ?? 64 << 10,
    epochKeyFile: join(directory, 'keys', 'epoch.key'),
    clock: systemClock(),
    ...(options.fileSystem === undefined ? {} : { fileSystem: options.fileSystem }),
  })
}

/** A line of output. */
export function entryOf(session: string, seq: number, text: string | Uint8Array): JournalEntry {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  return {
    session,
    seq,
    monotonicUs: 1_000_000 + seq,
    wallMs: Date.UTC(2040, 0, 1) + seq,
    interval: 0.000001,
    body: { kind: 'bytes', stream: 'o', bytes },
  }
}

export async function linesOf(journal: OpenJournal, session: string): Promise<{ seq: number; line: string }[]> {
  const lines: { seq: number; line: string }[] = []
  for await (const { seq, line } of journal.lines(session)) lines.push({ seq, line: line.toString() })
  return lines
}

/** The numbers of a session's lines. */
export async function seqsOf(journal: OpenJournal, session: string): Promise<number[]> {
  return (await linesOf(journal, session)).map(({ seq }) => seq)
}

export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}
