// The file of a sealed recording as zstd sees it (RFC 8878): frames of whole lines, each with a content checksum, then a
// seek table in a skippable frame (zstd's seekable format). Reading takes any bytes and never trusts a length: it walks
// the blocks itself, because only then the end of a frame is known before it is decoded.
import { constants, zstdCompress, zstdDecompressSync } from 'node:zlib'
import { promisify } from 'node:util'
import type { ByteSource } from './byte-source.ts'
import { frameContentBytes } from './content-tree.ts'
import { maxLineBytes } from './event-line.ts'

/** The longest line and its newline; a frame that unpacks to more is not ours and is not unpacked. */
export const longestContentBytes: number = maxLineBytes + 1

/** A frame of incompressible content is a little longer than the content. */
const longestFrameBytes = longestContentBytes + 1024 * 1024

/** 8 bytes for each frame of a 4 GiB recording, many times over. */
const longestSkippableBytes = 16 * 1024 * 1024

const frameMagic = 0xfd2fb528
const skippableMagic = 0x184d2a50
const seekTableMagic = 0x184d2a5e
const seekFooterMagic = 0x8f92eab1
const seekFooterBytes = 9
const seekEntryBytes = 8

/** Position and size of one frame, as the seek table lists it. */
export interface SeekEntry {
  readonly frameBytes: number
  readonly contentBytes: number
}

export type ContainerPart =
  /** One decoded frame. */
  | { readonly kind: 'content'; readonly content: Buffer; readonly frameBytes: number }
  | { readonly kind: 'seek-table'; readonly entries: readonly SeekEntry[] }
  /** A skippable frame that is no seek table: decoders pass over it, we put none there. */
  | { readonly kind: 'foreign' }
  /** Nothing behind this can be read. `cut`: the bytes ended too early; `oversize`: a frame nobody here wrote. */
  | { readonly kind: 'broken'; readonly why: 'cut' | 'undecodable' | 'not-zstd' | 'oversize' }

const compress = promisify(zstdCompress)

/** One frame over `content`, with content size and checksum. */
export async function compressFrame(content: Buffer): Promise<Buffer> {
  return await compress(content, {
    params: { [constants.ZSTD_c_checksumFlag]: 1, [constants.ZSTD_c_compressionLevel]: 3 },
  })
}

/** Length of the seek table over so many frames. */
export function seekTableBytes(frames: number): number {
  return 8 + frames * seekEntryBytes + seekFooterBytes
}

/** The seek table over all frames: a skippable frame that every zstd decoder passes over. */
export function encodeSeekTable(entries: readonly SeekEntry[]): Buffer {
  const bytes = Buffer.alloc(seekTableBytes(entries.length))
  bytes.writeUInt32LE(seekTableMagic, 0)
  bytes.writeUInt32LE(bytes.length - 8, 4)
  for (const [at, { frameBytes, contentBytes }] of entries.entries()) {
    bytes.writeUInt32LE(frameBytes, 8 + at * seekEntryBytes)
    bytes.writeUInt32LE(contentBytes, 12 + at * seekEntryBytes)
  }
  bytes.writeUInt32LE(entries.length, bytes.length - seekFooterBytes)
  bytes.writeUInt32LE(seekFooterMagic, bytes.length - 4)
  return bytes
}

/** Every part of a file in order; the last is `broken` when the file is not sound to its end. Never throws. */
export async function* readContainer(source: ByteSource): AsyncGenerator<ContainerPart, void> {
  while (!(await source.isAtEnd())) {
    const part = await readPart(source)
    yield part
    if (part.kind === 'broken') return
  }
}

async function readPart(source: ByteSource): Promise<ContainerPart> {
  const magic = (await source.take(4))?.readUInt32LE()
  if (magic === undefined) return { kind: 'broken', why: 'cut' }
  if (magic === frameMagic) return await readFrame(source)
  // >>> 0: bitwise operators give signed numbers.
  if ((magic & 0xfffffff0) >>> 0 === skippableMagic) return await readSkippable(source, magic)
  return { kind: 'broken', why: 'not-zstd' }
}

async function readSkippable(source: ByteSource, magic: number): Promise<ContainerPart> {
  const length = (await source.take(4))?.readUInt32LE()
  if (length === undefined) return { kind: 'broken', why: 'cut' }
  if (length > longestSkippableBytes) return { kind: 'broken', why: 'oversize' }
  const payload = await source.take(length)
  if (payload === undefined) return { kind: 'broken', why: 'cut' }
  const entries = magic === seekTableMagic ? parseSeekTable(payload) : undefined
  return entries === undefined ? { kind: 'foreign' } : { kind: 'seek-table', entries }
}

function parseSeekTable(payload: Buffer): SeekEntry[] | undefined {
  const count = (payload.length - seekFooterBytes) / seekEntryBytes
  if (!Number.isInteger(count) || count < 0) return undefined
  const footer = payload.subarray(-seekFooterBytes)
  if (footer.readUInt32LE(0) !== count || footer[4] !== 0 || footer.readUInt32LE(5) !== seekFooterMagic)
    return undefined
  return Array.from({ length: count }, (_, at) => ({
    frameBytes: payload.readUInt32LE(at * seekEntryBytes),
    contentBytes: payload.readUInt32LE(at * seekEntryBytes + 4),
  }))
}

async function readFrame(source: ByteSource): Promise<ContainerPart> {
  const magic = Buffer.alloc(4)
  magic.writeUInt32LE(frameMagic)
  const pieces: Buffer[] = [magic]
  let frameBytes = magic.length
  const take = async (length: number): Promise<Buffer | undefined> => {
    const piece = await source.take(length)
    if (piece !== undefined) pieces.push(piece)
    frameBytes += piece?.length ?? 0
    return piece
  }

  const descriptor = (await take(1))?.[0]
  if (descriptor === undefined) return { kind: 'broken', why: 'cut' }
  const header = frameHeader(descriptor)
  if ((await take(header.restBytes)) === undefined) return { kind: 'broken', why: 'cut' }
  for (let isLast = false; !isLast;) {
    const block = (await take(3))?.readUIntLE(0, 3)
    if (block === undefined) return { kind: 'broken', why: 'cut' }
    isLast = block % 2 === 1
    const isRun = (block >> 1) % 4 === 1
    const length = isRun ? 1 : block >> 3
    if (frameBytes + length > longestFrameBytes) return { kind: 'broken', why: 'oversize' }
    if ((await take(length)) === undefined) return { kind: 'broken', why: 'cut' }
  }
  if (header.hasChecksum && (await take(4)) === undefined) return { kind: 'broken', why: 'cut' }
  return decode(Buffer.concat(pieces))
}

function decode(frame: Buffer): ContainerPart {
  try {
    const content = zstdDecompressSync(frame, {
      maxOutputLength: longestContentBytes,
      chunkSize: frameContentBytes + 64,
    })
    return { kind: 'content', content, frameBytes: frame.length }
  } catch (error) {
    const isTooLarge = error instanceof RangeError
    return { kind: 'broken', why: isTooLarge ? 'oversize' : 'undecodable' }
  }
}

/** RFC 8878 §3.1.1.1: how long the rest of the frame header is. */
function frameHeader(descriptor: number): { restBytes: number; hasChecksum: boolean } {
  const isSingleSegment = (descriptor & 0x20) !== 0
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0
  const windowBytes = isSingleSegment ? 0 : 1
  return { restBytes: windowBytes + dictionaryBytes + sizeBytes, hasChecksum: (descriptor & 4) !== 0 }
}
