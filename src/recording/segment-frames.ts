// The frames of one journal segment, read without trusting it: whole frames, stretches that are none, and what lies
// behind the last frame. The writer's own view of a segment is in journal/; this one needs a few chunks of memory only.
import { ByteSource } from './byte-source.ts'
import { maxLineBytes } from './event-line.ts'
import { anyMagic, frameOverheadBytes, type FrameRead, readFrame } from './frame.ts'

export type SegmentPart =
  | { readonly kind: 'frame'; readonly offset: number; readonly frame: HeldFrame }
  /** Bytes that are neither frame nor blank, with a frame behind them. */
  | { readonly kind: 'unreadable'; readonly from: number; readonly to: number }
  /** The same with nothing behind them: what a crash leaves, and what cutting leaves. */
  | { readonly kind: 'torn'; readonly from: number }
  /** The file could not be read further. */
  | { readonly kind: 'failed'; readonly error: Error }

/** With its line, or in a skeleton with its leaf alone. */
export type HeldFrame = Extract<FrameRead, { kind: 'frame' | 'leaf' }>

const windowBytes = 64 * 1024

/** Every part of a segment in order. Never throws for what the bytes hold. */
export async function* readSegment(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<SegmentPart, void> {
  const source = new ByteSource(chunks, { isHashed: false })
  try {
    yield* readParts(source)
  } finally {
    await source.close()
  }
}

async function* readParts(source: ByteSource): AsyncGenerator<SegmentPart, void> {
  for (;;) {
    const frame = await nextFrame(source)
    if (frame !== undefined) {
      yield { kind: 'frame', offset: source.offset, frame }
      await source.take(frame.next)
      continue
    }
    const from = source.offset
    const isBlank = !(await skipToFrame(source))
    if (source.failure !== undefined) return yield { kind: 'failed', error: source.failure }
    if (isBlank) return
    if (await source.isAtEnd()) return yield { kind: 'torn', from }
    yield { kind: 'unreadable', from, to: source.offset }
  }
}

/** The whole frame that stands next, still to be taken. */
async function nextFrame(source: ByteSource): Promise<HeldFrame | undefined> {
  const start = await source.peek(frameOverheadBytes)
  if (start.length < frameOverheadBytes || !start.subarray(0, anyMagic.length).equals(anyMagic)) return undefined
  const length = start.readUInt32BE(4)
  if (length > maxLineBytes) return undefined
  const read = readFrame(await source.peek(frameOverheadBytes + length), 0)
  return read.kind === 'frame' || read.kind === 'leaf' ? read : undefined
}

/** Goes on to the next whole frame or the end; false when there was nothing but zeros. */
async function skipToFrame(source: ByteSource): Promise<boolean> {
  let isRubbish = false
  for (;;) {
    const window = await source.peek(windowBytes)
    if (window.length === 0) return isRubbish
    // Not at 0: no frame stands there, or we would not be here.
    const at = window.indexOf(anyMagic, 1)
    // A magic may begin in the last bytes of the window.
    const step = at > 0 ? at : Math.max(1, window.length - anyMagic.length + 1)
    isRubbish ||= window.subarray(0, step).some((byte) => byte !== 0)
    await source.take(step)
    if (at > 0 && (await nextFrame(source)) !== undefined) return true
  }
}
