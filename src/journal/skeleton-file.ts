// Rewrites one full segment as its skeleton: every frame of the journal's own as it is, of every session's line the
// header and the leaf. In small steps, so that no keystroke waits for more than one; into a new file, synced before it
// takes the segment's name, so that a crash leaves one or the other. What does not lead to the next segment's opening is
// damage, and stays as it is.

import { join } from 'node:path'
import { maxLineBytes } from '../recording/event-line.ts'
import {
  encodeLeafFrame,
  frameOverheadBytes,
  type FrameRead,
  genesisHead,
  leafOf,
  nextHead,
  readFrame,
} from '../recording/frame.ts'
import { type FileSystem, readUpTo, syncDirectory, writeAll } from './file-port.ts'
import { longestOpening, parseOpening, type SegmentOpening } from './own-frames.ts'
import { segmentName } from './segment-file.ts'

/** Read, hashed and written at once: about as much work as one step of reserving space. */
const stepBytes = 256 << 10

/** `00000001.skeleton`, until it takes the segment's name. */
function temporaryName(number: number): string {
  return segmentName(number).replace(/\.seg$/, '.skeleton')
}

/** What a crash left of skeletons that were being written: the segments are still there. */
export function removeUnfinishedSkeletons(files: FileSystem, directory: string): void {
  for (const name of files.list(directory)) if (/^\d{8,15}\.skeleton$/.test(name)) files.unlink(join(directory, name))
}

export class SkeletonFile {
  readonly number: number
  readonly #files: FileSystem
  readonly #directory: string
  readonly #after: SegmentOpening
  readonly #temporary: string
  #from: number | null
  #to: number | null = null
  #read = 0
  #written = 0
  /** Read and not taken yet: a frame that goes on. */
  #rest: Buffer = Buffer.alloc(0)
  #head: Buffer = genesisHead
  /** Frames before the segment, and in it so far. */
  #before = 0
  #frames = 0

  /** Throws what the system says, and when no segment follows that says where this one ends. */
  constructor(files: FileSystem, directory: string, number: number) {
    this.number = number
    this.#files = files
    this.#directory = directory
    this.#temporary = join(directory, temporaryName(number))
    this.#after = openingOf(files, directory, number + 1)
    this.#from = files.open(join(directory, segmentName(number)), 'read')
  }

  /** Does one step; true when the skeleton stands in the segment's place. Throws: `abandon` then. */
  step(): boolean {
    this.#to ??= this.#files.open(this.#temporary, 'create')
    const chunk = readUpTo(this.#files, this.#from ?? -1, stepBytes, this.#read)
    this.#read += chunk.length
    const isLast = chunk.length < stepBytes
    const hasEnded = this.#take(Buffer.concat([this.#rest, chunk]), isLast)
    if (!hasEnded) return false
    this.#finish()
    return true
  }

  /** Leaves the segment as it is. Throws what the system says; what is left then is removed at the next start. */
  abandon(): void {
    const hasTemporary = this.#to !== null
    this.#close()
    if (hasTemporary) this.#files.unlink(this.#temporary)
  }

  /** Takes the whole frames of `bytes`; true when there are no more. */
  #take(bytes: Buffer, isLast: boolean): boolean {
    const reduced: Buffer[] = []
    let offset = 0
    let hasEnded = false
    for (;;) {
      if (!isLast && goesOn(bytes, offset)) break
      const frame = readFrame(bytes, offset)
      hasEnded = frame.kind === 'end'
      if (hasEnded) break
      if (frame.kind !== 'frame' && frame.kind !== 'leaf') throw new Error(`${segmentName(this.number)} is damaged`)
      reduced.push(this.#reduce(frame, bytes.subarray(offset, frame.next)))
      offset = frame.next
    }
    this.#rest = Buffer.from(bytes.subarray(offset))
    const out = Buffer.concat(reduced)
    writeAll(this.#files, this.#to ?? -1, out, this.#written)
    this.#written += out.length
    return hasEnded
  }

  #reduce(frame: HeldFrame, whole: Buffer): Buffer {
    if (this.#frames === 0) this.#begin(frame)
    const leaf = leafOf(frame)
    this.#head = nextHead(this.#head, frame.headerBytes, leaf)
    this.#frames += 1
    return frame.header.type === 'line' ? encodeLeafFrame(frame.headerBytes, leaf) : whole
  }

  /** The chain goes on from where the segment's opening says. */
  #begin(frame: HeldFrame): void {
    const opening = frame.kind === 'frame' && frame.header.type === 'segment' ? parseOpening(frame.line) : null
    if (opening?.segment !== this.number) throw new Error(`${segmentName(this.number)} does not begin as one`)
    this.#head = opening.head
    this.#before = opening.seq
  }

  #finish(): void {
    const { head, seq } = this.#after
    if (!head.equals(this.#head) || seq !== this.#before + this.#frames)
      throw new Error(`${segmentName(this.number)} does not lead to the segment behind it`)
    this.#files.sync(this.#to ?? -1)
    this.#close()
    this.#files.rename(this.#temporary, join(this.#directory, segmentName(this.number)))
    syncDirectory(this.#files, this.#directory)
  }

  #close(): void {
    const open = [this.#from, this.#to].filter((fd) => fd !== null)
    this.#from = null
    this.#to = null
    for (const fd of open) this.#files.close(fd)
  }
}

type HeldFrame = Extract<FrameRead, { kind: 'frame' | 'leaf' }>

/** Whether the frame at `offset` may end behind the buffer: more has to be read before it can be judged. */
function goesOn(bytes: Buffer, offset: number): boolean {
  const left = bytes.length - offset
  if (left < frameOverheadBytes) return true
  const length = bytes.readUInt32BE(offset + 4)
  return length <= maxLineBytes && left < frameOverheadBytes + length
}

/** What the first frame of a segment says of all before it. */
function openingOf(files: FileSystem, directory: string, number: number): SegmentOpening {
  const fd = files.open(join(directory, segmentName(number)), 'read')
  try {
    const frame = readFrame(readUpTo(files, fd, frameOverheadBytes + longestOpening, 0), 0)
    const opening = frame.kind === 'frame' && frame.header.type === 'segment' ? parseOpening(frame.line) : null
    if (opening?.segment !== number) throw new Error(`${segmentName(number)} does not begin as one`)
    return opening
  } finally {
    files.close(fd)
  }
}
