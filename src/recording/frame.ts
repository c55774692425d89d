// The journal's frame: how one line stands in a segment, and how frames are chained. All numbers big-endian.
//
//   0  magic    ff 48 4a 31: 0xff stands in no UTF-8, so no line can hold what looks like a frame
//   4  length   of the line, u32
//   8  header   48 bytes: type u8, three zeros, session (16 bytes ASCII, zero-padded), seq u64, monotonic µs u64,
//               wall µs u64, length u32: what the chain takes in, whole, also when the line itself is gone
//  56  CRC-32C  u32 over length, header and line: tells a torn write, proves nothing
//  60  line
//
// In a skeleton a session's line is gone and its leaf stands for it (magic ff 48 4a 32): length is 32, the header still
// says how long the line was, and the leaf stands where the line did. The chain is the same.
//
// The chain proves: leaf = SHA-256(00 ‖ line), head' = SHA-256("halligan/journal/1" 00 ‖ head ‖ header ‖ leaf).

import { hash } from 'node:crypto'
import { assert } from '../errors.ts'
import { hashBytes, leafHash as merkleLeaf } from '../ledger/merkle.ts'
import { crc32c } from './crc32c.ts'
import { maxLineBytes } from './event-line.ts'

/** `line`: an event line of a session. The others belong to the journal itself and have the empty session. */
export type FrameType = 'line' | 'epoch' | 'segment' | 'recovered'

export interface FrameHeader {
  readonly type: FrameType
  /** At most 16 ASCII characters; empty for the journal's own frames. */
  readonly session: string
  /** Within the session. */
  readonly seq: number
  readonly monotonicUs: number
  readonly wallUs: number
  /** Of the line, bytes. */
  readonly length: number
}

export type FrameRead =
  /** `headerBytes` and `line` are views of the buffer; `next` is the offset behind the frame. */
  | {
      readonly kind: 'frame'
      readonly header: FrameHeader
      readonly headerBytes: Buffer
      readonly line: Buffer
      readonly next: number
    }
  /** Of a skeleton: `leaf` stands for a session's line. */
  | {
      readonly kind: 'leaf'
      readonly header: FrameHeader
      readonly headerBytes: Buffer
      readonly leaf: Buffer
      readonly next: number
    }
  /** Zeros or the buffer's end: space reserved and not written. */
  | { readonly kind: 'end' }
  /** Something stands here that is no whole frame. */
  | { readonly kind: 'torn' }

export const frameMagic: Buffer = Buffer.from([0xff, 0x48, 0x4a, 0x31])
/** Of a frame whose line is gone. */
export const leafMagic: Buffer = Buffer.from([0xff, 0x48, 0x4a, 0x32])
/** What both begin with. */
export const anyMagic: Buffer = frameMagic.subarray(0, 3)
export const frameHeaderBytes = 48
/** What a frame takes beside its line. */
export const frameOverheadBytes: number = 8 + frameHeaderBytes + 4
export const sessionIdBytes = 16

const typeNumbers: Readonly<Record<FrameType, number>> = { line: 1, epoch: 2, segment: 3, recovered: 4 }
const types: ReadonlyMap<number, FrameType> = new Map(
  (Object.keys(typeNumbers) as FrameType[]).map((type) => [typeNumbers[type], type]),
)
const chainPrefix = Buffer.from('halligan/journal/1\0')
/** Prefix, head, header and leaf at their places: one frame's input at a time, so that none is allocated. */
const chainInput = Buffer.alloc(chainPrefix.length + hashBytes + frameHeaderBytes + hashBytes)
chainInput.set(chainPrefix)

/** The head before the first frame: SHA-256 of the chain's name. */
export const genesisHead: Buffer = hash('sha256', chainPrefix, 'buffer')

/** `SHA-256(0x00 ‖ line)`: the RFC 6962 leaf of the recording's tree and the chain's input. */
export function leafHash(line: Uint8Array): Buffer {
  return merkleLeaf(line)
}

/** The chain's head after a frame: `headerBytes` are the 48 of its header. */
export function nextHead(head: Uint8Array, headerBytes: Uint8Array, leaf: Uint8Array): Buffer {
  assert(
    head.length === hashBytes && headerBytes.length === frameHeaderBytes && leaf.length === hashBytes,
    'whole parts',
  )
  chainInput.set(head, chainPrefix.length)
  chainInput.set(headerBytes, chainPrefix.length + hashBytes)
  chainInput.set(leaf, chainPrefix.length + hashBytes + frameHeaderBytes)
  return hash('sha256', chainInput, 'buffer')
}

/** A whole frame. Throws when the header cannot be written: a foreign session id, a number out of range, a long line. */
export function encodeFrame(header: Omit<FrameHeader, 'length'>, line: Uint8Array): Buffer {
  assert(line.length <= maxLineBytes, `a line of ${line.length} bytes is within ${maxLineBytes}`)
  const frame = Buffer.allocUnsafe(frameOverheadBytes + line.length)
  frame.set(frameMagic, 0)
  frame.writeUInt32BE(line.length, 4)
  encodeHeader(frame, header, line.length)
  frame.set(line, frameOverheadBytes)
  frame.writeUInt32BE(checksum(frame, frameOverheadBytes + line.length), 8 + frameHeaderBytes)
  return frame
}

/** The frame of a skeleton: the header of a session's frame as it was, and the leaf of its line. */
export function encodeLeafFrame(headerBytes: Uint8Array, leaf: Uint8Array): Buffer {
  assert(headerBytes.length === frameHeaderBytes && leaf.length === hashBytes, 'whole parts')
  const frame = Buffer.allocUnsafe(frameOverheadBytes + hashBytes)
  frame.set(leafMagic, 0)
  frame.writeUInt32BE(hashBytes, 4)
  frame.set(headerBytes, 8)
  frame.set(leaf, frameOverheadBytes)
  frame.writeUInt32BE(checksum(frame, frame.length), 8 + frameHeaderBytes)
  return frame
}

/** The leaf of what a frame holds or stands for. */
export function leafOf(frame: Extract<FrameRead, { kind: 'frame' | 'leaf' }>): Buffer {
  return frame.kind === 'leaf' ? frame.leaf : leafHash(frame.line)
}

/** The header of a frame that `encodeFrame` gave, as the chain takes it in. */
export function headerBytesOf(frame: Buffer): Buffer {
  return frame.subarray(8, 8 + frameHeaderBytes)
}

function encodeHeader(frame: Buffer, header: Omit<FrameHeader, 'length'>, length: number): void {
  const { session } = header
  assert(/^[\x21-\x7e]{0,16}$/.test(session), `session id ${JSON.stringify(session)} is ASCII of at most 16 bytes`)
  frame.fill(0, 8, 28)
  frame[8] = typeNumbers[header.type]
  frame.write(session, 12, 'latin1')
  writeUint53(frame, header.seq, 28)
  writeUint53(frame, header.monotonicUs, 36)
  writeUint53(frame, header.wallUs, 44)
  frame.writeUInt32BE(length, 52)
}

function writeUint53(frame: Buffer, value: number, offset: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, `${value} is a whole number below 2^53`)
  frame.writeUInt32BE(Math.floor(value / 2 ** 32), offset)
  frame.writeUInt32BE(value % 2 ** 32, offset + 4)
}

function checksum(buffer: Buffer, end: number, start = 0): number {
  const head = crc32c(buffer, start + 4, start + 8 + frameHeaderBytes)
  return crc32c(buffer, start + frameOverheadBytes, end, head)
}

/** Reads the frame at `offset`. Never throws and allocates nothing by a length it read: hostile bytes are `torn`. */
export function readFrame(buffer: Buffer, offset: number): FrameRead {
  if (isBlank(buffer, offset)) return { kind: 'end' }
  if (buffer.length - offset < frameOverheadBytes) return { kind: 'torn' }
  const isLeaf = starts(buffer, offset, leafMagic)
  if (!isLeaf && !starts(buffer, offset, frameMagic)) return { kind: 'torn' }
  const header = decodeHeader(buffer, offset + 8)
  const length = buffer.readUInt32BE(offset + 4)
  const next = offset + frameOverheadBytes + length
  if (header === null || header.length > maxLineBytes || next > buffer.length) return { kind: 'torn' }
  // The journal's own lines are never left out: they are what the chain is checked by.
  if (isLeaf ? length !== hashBytes || header.type !== 'line' : length !== header.length) return { kind: 'torn' }
  if (checksum(buffer, next, offset) !== buffer.readUInt32BE(offset + 8 + frameHeaderBytes)) return { kind: 'torn' }
  const headerBytes = buffer.subarray(offset + 8, offset + 8 + frameHeaderBytes)
  const content = buffer.subarray(offset + frameOverheadBytes, next)
  if (isLeaf) return { kind: 'leaf', header, headerBytes, leaf: content, next }
  return { kind: 'frame', header, headerBytes, line: content, next }
}

/** A frame starts with 0xff; reserved space is zeros. What is left of a buffer may be shorter than a magic. */
function isBlank(buffer: Buffer, offset: number): boolean {
  const end = Math.min(buffer.length, offset + frameMagic.length)
  for (let at = offset; at < end; at++) if (buffer[at] !== 0) return false
  return true
}

function starts(buffer: Buffer, offset: number, magic: Buffer): boolean {
  return magic.every((byte, index) => buffer[offset + index] === byte)
}

function decodeHeader(buffer: Buffer, at: number): FrameHeader | null {
  const type = types.get(buffer.readUInt32BE(at) >>> 24)
  const session = decodeSession(buffer, at + 4)
  const [seq, monotonicUs, wallUs] = [
    readUint53(buffer, at + 20),
    readUint53(buffer, at + 28),
    readUint53(buffer, at + 36),
  ]
  if (type === undefined || (buffer.readUInt32BE(at) & 0xff_ffff) !== 0) return null
  if (session === null || seq === null || monotonicUs === null || wallUs === null) return null
  return { type, session, seq, monotonicUs, wallUs, length: buffer.readUInt32BE(at + 44) }
}

function decodeSession(buffer: Buffer, at: number): string | null {
  const padded = buffer.toString('latin1', at, at + sessionIdBytes)
  return /^([\x21-\x7e]*)\0*$/.exec(padded)?.[1] ?? null
}

function readUint53(buffer: Buffer, at: number): number | null {
  const value = buffer.readUInt32BE(at) * 2 ** 32 + buffer.readUInt32BE(at + 4)
  return Number.isSafeInteger(value) ? value : null
}
