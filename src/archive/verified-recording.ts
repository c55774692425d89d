// A recording opened for replay. It is given out only after every byte was compared with its seal, and what is read later
// is compared again frame by frame, so that nobody watches something other than what was sealed.
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { HalliganError } from '../errors.ts'
import type { Seal } from '../session/session.ts'
import { ByteSource } from '../recording/byte-source.ts'
import { type FileFrame, readContent, readLines } from '../recording/content.ts'
import { ContentTree, type FrameDigest } from '../recording/content-tree.ts'
import { judgeContent } from '../recording/content-judgement.ts'
import { openPlainFile } from './stored-file.ts'

/** A frame to seek to: whole lines, at most 64 KiB of them unless one line is longer. */
export interface ReplayFrame extends FileFrame {
  /** ms since the header line, at its last line. */
  readonly endMs: number
}

const chunkBytes = 256 * 1024

/** Holds the file open until `close`. */
export class VerifiedRecording {
  readonly #handle: FileHandle
  readonly #file: string
  readonly #frames: readonly FileFrame[]
  readonly #digests: readonly FrameDigest[]

  private constructor(handle: FileHandle, file: string, frames: readonly FileFrame[], digests: readonly FrameDigest[]) {
    this.#handle = handle
    this.#file = file
    this.#frames = frames
    this.#digests = digests
  }

  /**
   * Opens the recording that `seal` names below `directory`. Throws `not_found` when there is none and
   * `recording_altered` when it is not byte for byte what was sealed.
   */
  static async open(directory: string, seal: Omit<Seal, 'state' | 'firstSeq' | 'lastSeq'>): Promise<VerifiedRecording> {
    const opened = await openPlainFile(join(directory, seal.file))
    if (opened.kind === 'absent') throw new HalliganError('not_found', `recording ${seal.file} is ${opened.why}`)
    const { handle } = opened
    try {
      const read = () => readHandle(handle)
      const facts = await readContent(read())
      if (facts.failure !== undefined) throw facts.failure
      const fault = await judgeContent(read, facts, { ...seal, root: Buffer.from(seal.root, 'hex') }, {})
      if (fault !== undefined) throw altered(seal.file, `${fault.code}: ${fault.detail}`)
      return new VerifiedRecording(handle, seal.file, facts.frames, facts.digests)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** The frames in order: numbers of their lines, and times. */
  get frames(): readonly ReplayFrame[] {
    return this.#frames.map((frame, at) => ({ ...frame, endMs: this.#digests[at]?.endMs ?? frame.startMs }))
  }

  /** Number of the frame in which the session stands at `ms` since its header line. */
  frameAt(ms: number): number {
    const at = this.#digests.findIndex(({ endMs }) => endMs >= ms)
    return at < 0 ? Math.max(0, this.#digests.length - 1) : at
  }

  /**
   * Lines of the frames `from` (inclusive) to `to` (exclusive), without newlines, one frame in memory at a time.
   * Throws `recording_altered` when the file has changed since it was opened.
   */
  async *lines(from = 0, to: number = this.#frames.length): AsyncGenerator<Buffer, void> {
    for (let at = from; at < Math.min(to, this.#frames.length); at++) yield* await this.#frame(at)
  }

  async #frame(at: number): Promise<readonly Buffer[]> {
    const [frame, digest] = [this.#frames[at], this.#digests[at]]
    if (frame === undefined || digest === undefined) return []
    const lines: Buffer[] = []
    const bytes = readHandle(this.#handle, frame.offset, frame.frameBytes)
    for await (const part of readLines(new ByteSource(bytes, { isHashed: false })))
      if (part.kind === 'lines') lines.push(...part.lines)
    const tree = new ContentTree()
    for (const line of lines) tree.append(line)
    const [found, ...more] = tree.finish()
    if (more.length > 0 || found?.lines !== digest.lines || !found.root.equals(digest.root))
      throw altered(this.#file, `frame ${at} has changed since it was verified`)
    return lines
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

async function* readHandle(handle: FileHandle, from = 0, length = Infinity): AsyncGenerator<Uint8Array, void> {
  for (let done = 0; done < length;) {
    const wanted = Math.min(chunkBytes, length - done)
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(wanted), 0, wanted, from + done)
    if (bytesRead === 0) return
    done += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

function altered(file: string, what: string): HalliganError {
  return new HalliganError('recording_altered', `recording ${file} is not what was sealed: ${what}`, {
    hint: 'run halligan verify --all and tell the security channel',
  })
}
