// A start of the journal: read every segment, put a torn tail aside, decide where writing goes on, find or make the
// epoch key. Damage is named and left as it is; it never keeps the journal from starting, a full disk does.

import { join } from 'node:path'
import { maxLineBytes } from '../recording/event-line.ts'
import { takeBallast } from './ballast.ts'
import { EpochKey } from './epoch-key.ts'
import { type FileSystem, readUpTo, syncDirectory, systemCode, writeAll, writeDurably } from './file-port.ts'
import { JournalWriter } from './journal-writer.ts'
import type { WriterSetup } from './messages.ts'
import { encodeRecovered } from './own-frames.ts'
import { damageKey, JournalScan, lastNonZero, type Recovery, type SegmentEnd } from './recovery.ts'
import { type Segment, segmentBounds, segmentName, segmentNumbers } from './segment-file.ts'
import { SegmentTail } from './segment-tail.ts'
import { removeUnfinishedSkeletons } from './skeleton-file.ts'

/** Opens the journal for writing. Throws what the system says when the disk does not take the little it must. */
export function startWriter(files: FileSystem, setup: WriterSetup): { writer: JournalWriter; recovery: Recovery } {
  const { directory, segmentBytes, times } = setup
  files.makeDirectory(directory)
  removeUnfinishedSkeletons(files, directory)
  const scan = new JournalScan()
  const found = scanSegments(files, setup, scan)
  const torn = found.last === null ? null : putTornAside(files, directory, found.last)
  const first = found.created ? reserveFirst(files, setup) : null
  const { key, namesGenesis } = findKey(files, setup, scan, found)
  const writer = new JournalWriter({
    tail: first ?? tailBehind(files, setup, found, namesGenesis),
    extents: scan.extents,
    skeletons: scan.skeletons,
    key,
    head: scan.head,
    seq: scan.seq,
    epoch: namesGenesis || scan.epochs?.last === undefined ? 0 : scan.epochs.last.epoch + 1,
    namesGenesis,
  })
  writer.openAhead(times)

  const result = scan.result({ created: found.created, tornBytes: torn?.bytes ?? 0 })
  const news = result.damage.filter(({ known }) => !known).map(damageKey)
  if (torn !== null || news.length > 0) {
    const line = encodeRecovered({ tornBytes: torn?.bytes ?? 0, tornFile: torn?.file ?? null, damage: news })
    writer.writeOwn('recovered', times, line)
  }
  takeBallast(files, directory, segmentBytes)
  const genesis = namesGenesis ? key.publicKey : scan.genesisPublicKey
  return { writer, recovery: { ...result, genesisPublicKey: genesis?.toString('hex') ?? '' } }
}

/** The first segment's name stands before the first key does: a key without any segment is what a deletion leaves. */
function reserveFirst(files: FileSystem, { directory, segmentBytes }: WriterSetup): SegmentTail {
  const tail = new SegmentTail(files, directory, segmentBytes, null, 1)
  tail.prepareSpare()
  return tail
}

/** Writing goes on in the last segment when it is whole and its epochs are; otherwise in a new one. */
function tailBehind(
  files: FileSystem,
  { directory, segmentBytes }: WriterSetup,
  { last, nextNumber }: Found,
  namesGenesis: boolean,
): SegmentTail {
  if (last === null || last.end.damaged || last.end.used === 0 || namesGenesis) {
    // A segment whose very opening was torn holds nothing: its number is used again.
    const number = last !== null && last.end.torn !== null && last.end.used === 0 ? last.number : nextNumber
    return new SegmentTail(files, directory, segmentBytes, null, number)
  }
  const current = { segment: openSegment(files, directory, last.number), used: last.end.used }
  return new SegmentTail(files, directory, segmentBytes, current, nextNumber)
}

/** What lies in the directory. `last`: the last segment that holds anything. */
interface Found {
  readonly last: LastSegment | null
  readonly created: boolean
  readonly nextNumber: number
}

interface LastSegment {
  readonly number: number
  readonly end: SegmentEnd
}

function scanSegments(files: FileSystem, setup: WriterSetup, scan: JournalScan): Found {
  const { directory } = setup
  const numbers = segmentNumbers(files, directory)
  const hadFiles = numbers.length > 0
  removeBlankTail(files, directory, numbers)
  let last: LastSegment | null = null
  for (const [index, number] of numbers.entries()) {
    const expected: number = (last?.number ?? 0) + 1
    if (number !== expected) scan.damaged('missing', expected, 0, 0)
    const bytes = readSegment(files, directory, number)
    const isLast = index === numbers.length - 1
    const end = bytes === null ? unreadable(scan, number) : scan.segment(number, bytes, isLast)
    last = { number, end }
  }
  // A first start that was cut short leaves a blank segment; a key without any segment is what a deletion leaves.
  const created = last === null && (hadFiles || !keyExists(files, setup.epochKeyFile))
  if (last === null && !created) scan.damaged('missing', 1, 0, 0)
  return { last, created, nextNumber: (last?.number ?? 0) + 1 }
}

function unreadable(scan: JournalScan, number: number): SegmentEnd {
  scan.damaged('unreadable', number, 0, 0)
  return { used: 0, torn: null, damaged: true }
}

/** Segments made ahead and not begun, whole or in part. */
function removeBlankTail(files: FileSystem, directory: string, numbers: number[]): void {
  for (;;) {
    const number = numbers.at(-1)
    if (number === undefined) return
    const bytes = readSegment(files, directory, number)
    if (bytes === null || lastNonZero(bytes, 0) > 0) return
    files.unlink(join(directory, segmentName(number)))
    numbers.pop()
  }
}

/** The whole segment; null when the disk cannot read it or it is larger than any segment. */
function readSegment(files: FileSystem, directory: string, number: number): Buffer | null {
  const fd = files.open(join(directory, segmentName(number)), 'read')
  try {
    const size = files.size(fd)
    if (size > segmentBounds.mostBytes + maxLineBytes) return null
    return readUpTo(files, fd, size, 0)
  } catch (error) {
    // A bad sector is damage like any other; anything else is the machine's trouble and ends the start.
    if (systemCode(error) === 'EIO') return null
    throw error
  } finally {
    files.close(fd)
  }
}

/** Copies the torn tail to a file of its own, durably, then makes the space blank again. */
function putTornAside(
  files: FileSystem,
  directory: string,
  { number, end }: LastSegment,
): { readonly bytes: number; readonly file: string } | null {
  if (end.torn === null) return null
  const { from, to } = end.torn
  const segment = openSegment(files, directory, number)
  try {
    const file = freeName(files, directory, `torn-${segmentName(number)}-${from}`)
    writeDurably(files, directory, join(directory, file), readUpTo(files, segment.fd, to - from, from))
    writeAll(files, segment.fd, Buffer.alloc(to - from), from)
    files.datasync(segment.fd)
    if (end.used === 0) {
      files.unlink(join(directory, segmentName(number)))
      syncDirectory(files, directory)
    }
    return { bytes: to - from, file }
  } finally {
    files.close(segment.fd)
  }
}

/** A crash in the middle of putting aside leaves a first copy: it is kept. */
function freeName(files: FileSystem, directory: string, name: string): string {
  const taken = new Set(files.list(directory))
  let free = name
  for (let copy = 2; taken.has(free); copy++) free = `${name}-${copy}`
  return free
}

function openSegment(files: FileSystem, directory: string, number: number): Segment {
  const fd = files.open(join(directory, segmentName(number)), 'update')
  return { number, fd, sizeBytes: files.size(fd) }
}

/** The key that the journal expects next; a new one for a new journal, and where the old one is gone. */
function findKey(
  files: FileSystem,
  setup: WriterSetup,
  scan: JournalScan,
  { created, last }: Found,
): { key: EpochKey; namesGenesis: boolean } {
  const expected = scan.epochs?.publicKey
  const key = expected === undefined ? null : EpochKey.find(files, setup.epochKeyFile, expected)
  if (key !== null) return { key, namesGenesis: false }
  if (!created && expected !== undefined) scan.damaged('key_lost', last?.number ?? 0, 0, 0)
  return { key: EpochKey.create(files, setup.epochKeyFile), namesGenesis: true }
}

function keyExists(files: FileSystem, path: string): boolean {
  try {
    files.close(files.open(path, 'read'))
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
}
