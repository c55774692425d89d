// Sealing: the lines of an ended session become one file, its Merkle root and what the seal leaf says of it. Reads lines
// and gives chunks as they are ready, so that a session of any length needs the memory of one frame.
import { createHash } from 'node:crypto'
import { assert } from '../errors.ts'
import { compressFrame, encodeSeekTable, type SeekEntry } from './container.ts'
import { contentRoot, ContentTree, type FrameDigest } from './content-tree.ts'
import { maxLineBytes } from './event-line.ts'

/** What a sealed file is. The same lines give the same root anywhere, and the same bytes on the same zstd. */
export interface SealedContent {
  /** Recording root, 32 bytes. */
  readonly root: Buffer
  /** With the header line. */
  readonly lines: number
  readonly frames: readonly FrameDigest[]
  readonly sizeBytes: number
  /** Hex, of the whole file. */
  readonly sha256: string
}

/** One sealing. Write `chunks()` to a file, then ask `sealed()`. */
export class Sealing {
  readonly #lines: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
  readonly #tree = new ContentTree()
  readonly #seek: SeekEntry[] = []
  readonly #hash = createHash('sha256')
  #sizeBytes = 0
  #result: SealedContent | undefined

  /** `lines`: the session's lines in order, header line first, each without newline. */
  constructor(lines: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    this.#lines = lines
  }

  /** The file's bytes. To be read once, to the end. */
  async *chunks(): AsyncGenerator<Buffer, void> {
    let open: Buffer[] = []
    for await (const given of this.#lines) {
      const line = Buffer.from(given)
      assert(!line.includes(0x0a), 'a line of a recording has no newline in it')
      assert(line.length <= maxLineBytes, `a line of ${line.length} bytes is within ${maxLineBytes}`)
      if (!this.#tree.fits(line.length)) {
        yield await this.#frame(open)
        open = []
      }
      this.#tree.append(line)
      open.push(line, newline)
    }
    if (open.length > 0) yield await this.#frame(open)
    yield this.#count(encodeSeekTable(this.#seek))
    const frames = this.#tree.finish()
    this.#result = {
      root: contentRoot(frames),
      lines: this.#tree.lines,
      frames,
      sizeBytes: this.#sizeBytes,
      sha256: this.#hash.digest('hex'),
    }
  }

  /** What was sealed. Only after `chunks()` has been read to its end. */
  sealed(): SealedContent {
    assert(this.#result !== undefined, 'all chunks of a seal are written before it is asked for')
    return this.#result
  }

  async #frame(pieces: readonly Buffer[]): Promise<Buffer> {
    const content = Buffer.concat(pieces)
    const frame = await compressFrame(content)
    this.#seek.push({ frameBytes: frame.length, contentBytes: content.length })
    return this.#count(frame)
  }

  #count(chunk: Buffer): Buffer {
    this.#hash.update(chunk)
    this.#sizeBytes += chunk.length
    return chunk
  }
}

const newline = Buffer.of(0x0a)
