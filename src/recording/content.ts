// The lines inside a recording's file, and what can be said of a file without comparing it with anything: its hash, its
// tree, the soundness of its compression. One pass, with the memory of one frame.
import { ByteSource } from './byte-source.ts'
import { type ContainerPart, readContainer, type SeekEntry, seekTableBytes } from './container.ts'
import { contentRoot, ContentTree, type FrameDigest } from './content-tree.ts'
import { maxLineBytes } from './event-line.ts'

export type ContentPart =
  /** The lines that end in one zstd frame, each without newline; views of its content. */
  | {
      readonly kind: 'lines'
      readonly lines: readonly Buffer[]
      readonly offset: number
      readonly frameBytes: number
      readonly contentBytes: number
    }
  | Exclude<ContainerPart, { kind: 'content' }>

/** A zstd frame of the file, and where in the session its lines are. */
export interface FileFrame extends SeekEntry {
  readonly offset: number
  /** Number of its first line, from 0, and how many there are. */
  readonly firstLine: number
  readonly lines: number
  /** ms since the header line, at the line before its first. */
  readonly startMs: number
}

export type Break = Extract<ContainerPart, { kind: 'broken' }>['why']

/** What a file holds. */
export interface ContentFacts {
  readonly sizeBytes: number
  /** Hex, of the whole file. */
  readonly sha256: string
  /** Root of the lines that could be read, 32 bytes. */
  readonly root: Buffer
  readonly lines: number
  /** The tree's frames over these lines. */
  readonly digests: readonly FrameDigest[]
  readonly frames: readonly FileFrame[]
  /** Why the lines end before the file does; undefined when they do not. */
  readonly broken: Break | undefined
  /** `other`: skippable frames that are not one seek table over exactly these frames, at the end. */
  readonly seekTable: 'right' | 'none' | 'other'
  /** Length that a file of these frames has when it is whole. */
  readonly wholeBytes: number
  /** Reading failed: nothing is known of what follows. */
  readonly failure: Error | undefined
}

/** Every frame's lines in order; the last part is `broken` when the lines are not sound to the end. Never throws. */
export async function* readLines(source: ByteSource): AsyncGenerator<ContentPart, void> {
  // Start of a line whose end is in the next frame: never so in a file we wrote.
  let rest: Buffer = Buffer.alloc(0)
  let offset = source.offset
  for await (const part of readContainer(source)) {
    if (part.kind === 'content') {
      const bytes = rest.length === 0 ? part.content : Buffer.concat([rest, part.content])
      const lines = splitLines(bytes)
      rest = bytes.subarray(lines.reduce((length, line) => length + line.length + 1, 0))
      yield { kind: 'lines', lines, offset, frameBytes: part.frameBytes, contentBytes: part.content.length }
      if (rest.length > maxLineBytes) {
        yield { kind: 'broken', why: 'oversize' }
        return
      }
    } else {
      yield part
    }
    offset = source.offset
  }
  if (rest.length > 0) yield { kind: 'broken', why: 'cut' }
}

function splitLines(content: Buffer): Buffer[] {
  const lines: Buffer[] = []
  let from = 0
  for (let to = content.indexOf(0x0a); to >= 0; to = content.indexOf(0x0a, from)) {
    lines.push(content.subarray(from, to))
    from = to + 1
  }
  return lines
}

/** Reads a file to its end. Never throws for what the bytes hold. */
export async function readContent(chunks: AsyncIterable<Uint8Array>): Promise<ContentFacts> {
  const source = new ByteSource(chunks)
  const tree = new ContentTree()
  const frames: FileFrame[] = []
  let broken: Break | undefined
  let seekTable: ContentFacts['seekTable'] = 'none'
  for await (const part of readLines(source)) {
    // What follows a seek table is not ours, whatever it is.
    if (seekTable === 'right') seekTable = 'other'
    switch (part.kind) {
      case 'lines': {
        const { offset, frameBytes, contentBytes } = part
        const start = { firstLine: tree.lines, startMs: tree.ms }
        for (const line of part.lines) tree.append(line)
        frames.push({ offset, frameBytes, contentBytes, ...start, lines: part.lines.length })
        break
      }
      case 'seek-table':
        seekTable = seekTable === 'none' && isTableOf(part.entries, frames) ? 'right' : 'other'
        break
      case 'foreign':
        seekTable = 'other'
        break
      case 'broken':
        broken = part.why
        break
    }
  }
  const digests = tree.finish()
  const read = await source.finish()
  const wholeBytes = frames.reduce((sum, frame) => sum + frame.frameBytes, seekTableBytes(frames.length))
  const content = { root: contentRoot(digests), lines: tree.lines, digests }
  return { ...read, ...content, frames, broken, seekTable, wholeBytes, failure: source.failure }
}

function isTableOf(entries: readonly SeekEntry[], frames: readonly SeekEntry[]): boolean {
  return (
    entries.length === frames.length &&
    entries.every(({ frameBytes, contentBytes }, at) => {
      const frame = frames[at]
      return frame?.frameBytes === frameBytes && frame.contentBytes === contentBytes
    })
  )
}
