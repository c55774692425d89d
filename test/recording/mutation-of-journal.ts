import type { KeyObject } from 'node:crypto'
import { privateKeyFromSeed } from '../../src/ledger/ed25519.ts'
import { encodeEpoch, parseEpoch, signEpoch } from '../../src/ledger/epoch.ts'
import {
  encodeFrame,
  encodeLeafFrame,
  type FrameHeader,
  genesisHead,
  headerBytesOf,
  leafHash,
  nextHead,
  readFrame,
} from '../../src/recording/frame.ts'
import type { Chance } from './chance.ts'
import type { Evidence, Random, Recorded } from './evidence.ts'
import { type Mutation, pickTwo, sealedOf, spoilings } from './mutation.ts'

interface Frame {
  readonly header: FrameHeader
  /** In a skeleton the leaf. */
  readonly line: Buffer
  readonly isLeaf: boolean
}

const stolen = privateKeyFromSeed(Buffer.alloc(32, 99))

/** Frames of a segment, and what lies behind them. */
function framesOf(segment: Buffer): { readonly frames: Frame[]; readonly rest: Buffer } {
  const frames: Frame[] = []
  for (let offset = 0; ;) {
    const read = readFrame(segment, offset)
    if (read.kind !== 'frame' && read.kind !== 'leaf') return { frames, rest: segment.subarray(offset) }
    const isLeaf = read.kind === 'leaf'
    frames.push({ header: read.header, line: Buffer.from(isLeaf ? read.leaf : read.line), isLeaf })
    offset = read.next
  }
}

function bytesOf(frames: readonly Frame[], rest: Buffer): Buffer {
  return Buffer.concat([...frames.map(encoded), rest])
}

function encoded({ header, line, isLeaf }: Frame): Buffer {
  // A header that was of a line of that length.
  return isLeaf
    ? encodeLeafFrame(headerBytesOf(encodeFrame(header, Buffer.alloc(header.length))), line)
    : encodeFrame(header, line)
}

/** Without the zeros that were reserved and not written: how many there are says nothing. */
function written(segment: Buffer): Buffer {
  let end = segment.length
  while (end > 0 && segment[end - 1] === 0) end--
  return segment.subarray(0, end)
}

/** Where the last line of a sealed session ends, or the last frame that the ledger tells of: behind it is the tail. */
function endOfSealed(from: Random): { readonly segment: string; readonly offset: number } {
  const proven = new Set(
    sealedOf(from)
      .filter(({ state }) => state !== 'damaged')
      .map(({ session }) => session),
  )
  let end = { segment: '', offset: 0 }
  let frames = 0
  for (const [segment, bytes] of from.evidence.segments)
    for (let offset = 0; ;) {
      const read = readFrame(bytes, offset)
      if (read.kind !== 'frame' && read.kind !== 'leaf') break
      offset = read.next
      frames += 1
      if (frames <= from.marked || proven.has(read.header.session)) end = { segment, offset }
    }
  return end
}

/** Whether two states' journals differ only in the tail. */
export function isTailOnly(changed: Evidence, from: Random): boolean {
  const end = endOfSealed(from)
  for (const [name, bytes] of from.evidence.segments) {
    const other = changed.segments.get(name)
    if (name > end.segment) return true
    const length = name === end.segment ? end.offset : Math.max(bytes.length, other?.length ?? 0)
    if (other === undefined || !other.subarray(0, length).equals(bytes.subarray(0, length))) return false
  }
  return true
}

const ofSegment = (
  name: string,
  change: (segment: Buffer, chance: Chance, from: Random) => Buffer | undefined,
): Mutation => ({
  name: `journal: ${name}`,
  scope: 'all',
  expected: 'tail',
  apply: (changed, from, chance) => {
    const name = chance.pick([...changed.segments.keys()])
    const before = changed.segments.get(name) ?? Buffer.alloc(0)
    const after = change(before, chance, from)
    if (after === undefined || written(after).equals(written(before))) return false
    changed.segments.set(name, after)
    return true
  },
})

/** Other frames, with checksums that fit. */
const ofFrames = (
  name: string,
  change: (
    frames: readonly Frame[],
    at: number,
    frame: Frame,
    chance: Chance,
    from: Random,
  ) => readonly Frame[] | undefined,
): Mutation =>
  ofSegment(name, (segment, chance, from) => {
    const { frames, rest } = framesOf(segment)
    const at = chance.below(frames.length)
    const frame = frames[at]
    const other = frame && change(frames, at, frame, chance, from)
    return other && bytesOf(other, rest)
  })

const ofSegments = (
  name: string,
  change: (segments: Map<string, Buffer>, one: string, other: string) => void,
): Mutation => ({
  name: `journal: ${name}`,
  scope: 'all',
  expected: 'tail',
  apply: (changed, _, chance) => {
    const pair = pickTwo([...changed.segments.keys()], chance)
    if (pair !== undefined) change(changed.segments, ...pair)
    return pair !== undefined
  },
})

/** All heads computed anew over changed frames; epoch records signed with `key`, or left with the signatures they had. */
function chainedAnew(segments: Map<string, Buffer>, key: KeyObject | undefined): void {
  let [head, count] = [genesisHead, 0]
  for (const [name, bytes] of segments) {
    const { frames, rest } = framesOf(bytes)
    const written = frames.map((frame) => {
      const line = fit(frame.header.type, frame.line, head, count, key)
      const bytes = encoded({ ...frame, line })
      head = nextHead(head, headerBytesOf(bytes), frame.isLeaf ? line : leafHash(line))
      count += 1
      return bytes
    })
    segments.set(name, Buffer.concat([...written, rest]))
  }
}

function fit(type: FrameHeader['type'], line: Buffer, head: Buffer, count: number, key: KeyObject | undefined): Buffer {
  if (type === 'segment') {
    const opening = JSON.parse(line.toString()) as Record<string, unknown>
    return Buffer.from(JSON.stringify({ ...opening, head: head.toString('hex'), seq: count }))
  }
  const record = type === 'epoch' ? parseEpoch(line) : undefined
  if (record === undefined) return line
  const claim = { ...record, journalHead: head, journalSeq: count }
  return encodeEpoch(key === undefined ? claim : signEpoch(claim, key))
}

const ofChain = (name: string, key: KeyObject | undefined): Mutation => ({
  name: `journal: ${name}`,
  scope: 'all',
  expected: 'found',
  apply: (changed, from, chance) => {
    const { session } = chance.pick(sealedOf(from))
    for (const [name, bytes] of changed.segments) {
      const { frames, rest } = framesOf(bytes)
      const at = frames.findIndex(({ header }) => header.session === session)
      const frame = frames[at]
      if (frame === undefined) continue
      const never = Buffer.from('[0,"o","never"]')
      const line = frame.isLeaf ? leafHash(never) : never
      changed.segments.set(name, bytesOf(frames.with(at, { ...frame, line }), rest))
      chainedAnew(changed.segments, key)
      return true
    }
    return false
  },
})

/** Exchanges a line of one of these sessions for its leaf. */
function reduced(isMeant: (session: Recorded) => boolean): Mutation['apply'] {
  return (changed, { sessions }, chance) => {
    const meant = new Set(sessions.filter(isMeant).map(({ session }) => session))
    const name = chance.pick([...changed.segments.keys()])
    const { frames, rest } = framesOf(changed.segments.get(name) ?? Buffer.alloc(0))
    const places = [...frames.keys()].filter(
      (at) => meant.has(frames[at]?.header.session ?? '') && frames[at]?.isLeaf === false,
    )
    const at = places.length === 0 ? -1 : chance.pick(places)
    const frame = frames[at]
    if (frame === undefined) return false
    changed.segments.set(name, bytesOf(frames.with(at, { ...frame, line: leafHash(frame.line), isLeaf: true }), rest))
    return true
  }
}

export const journalMutations: readonly Mutation[] = [
  ...spoilings.map(({ name, spoil }) => ofSegment(name, spoil)),
  ofFrames('a frame dropped', (frames, at) => frames.toSpliced(at, 1)),
  ofFrames('a frame twice', (frames, at, frame) => frames.toSpliced(at, 0, frame)),
  ofFrames('frames swapped', (frames, at, frame, chance) => {
    const other = chance.below(frames.length)
    const second = frames[other]
    return second && frames.with(at, second).with(other, frame)
  }),
  ofFrames('cut at a frame', (frames, at) => frames.slice(0, at)),
  ofFrames('another line', (frames, at, frame, chance) => {
    const line = Buffer.from(frame.line)
    const place = chance.below(line.length)
    line[place] = (line[place] ?? 0) ^ (1 + chance.below(255))
    return frames.with(at, { ...frame, line })
  }),
  ofFrames('a line of another session', (frames, at, frame, chance, { sessions }) => {
    const { session } = chance.pick(sessions)
    return frame.header.session === '' ? undefined : frames.with(at, { ...frame, header: { ...frame.header, session } })
  }),
  ofFrames('another number', (frames, at, frame) =>
    frames.with(at, { ...frame, header: { ...frame.header, seq: frame.header.seq + 1 } }),
  ),
  ofFrames('another time', (frames, at, frame, chance) =>
    frames.with(at, { ...frame, header: { ...frame.header, wallUs: frame.header.wallUs + 1 + chance.below(1e6) } }),
  ),
  ofFrames('of another type', (frames, at, frame, chance) => {
    const type = chance.pick(
      (['line', 'epoch', 'segment', 'recovered'] as const).filter((one) => one !== frame.header.type),
    )
    return frames.with(at, { ...frame, header: { ...frame.header, type } })
  }),
  ofFrames('a leaf of another line', (frames, at, frame, chance) => {
    const line = leafHash(Buffer.from(`[0,"o","${chance.below(1000)}"]`))
    return frame.header.type === 'line' ? frames.with(at, { ...frame, line, isLeaf: true }) : undefined
  }),
  ofFrames('a line in the place of its leaf', (frames, at, frame) => {
    const line = Buffer.from('[0,"o","never"]')
    return frame.isLeaf ? frames.with(at, { ...frame, line, isLeaf: false }) : undefined
  }),
  ofFrames('a longer line behind the same leaf', (frames, at, frame) => {
    const { header, isLeaf } = frame
    return isLeaf ? frames.with(at, { ...frame, header: { ...header, length: header.length + 1 } }) : undefined
  }),
  {
    name: 'journal: a line of a session that is open exchanged for its leaf',
    scope: 'all',
    expected: 'found',
    apply: reduced(({ state }) => state === 'open'),
  },
  {
    // Its recording has the line, and the chain its leaf: what a skeleton is.
    name: 'journal: a line of a sealed session exchanged for its leaf',
    scope: 'all',
    expected: 'nothing',
    apply: reduced(({ state }) => state !== 'open'),
  },
  ofSegments('a segment deleted', (segments, one) => segments.delete(one)),
  ofSegments('segments exchanged', (segments, one, other) => {
    const [a, b] = [segments.get(one), segments.get(other)]
    if (a !== undefined) segments.set(other, a)
    if (b !== undefined) segments.set(one, b)
  }),
  ofSegments('a segment twice', (segments, one) => {
    const name = `${String(segments.size + 1).padStart(8, '0')}.seg`
    segments.set(name, segments.get(one) ?? Buffer.alloc(0))
  }),
  ofSegments('a segment renamed', (segments, one) => {
    const bytes = segments.get(one) ?? Buffer.alloc(0)
    segments.delete(one)
    segments.set(`${String(segments.size + 9).padStart(8, '0')}.seg`, bytes)
  }),
  ofSegments('nothing left', (segments) => segments.clear()),
  ofChain('another line, chained anew', undefined),
  ofChain('another line, chained and signed anew with another key', stolen),
]
