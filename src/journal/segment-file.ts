// A segment: a file of reserved space, `00000001.seg`, zeros where no frame stands yet. Space is reserved by writing the
// zeros, not by truncating: a sparse file would find the disk full in the middle of a batch.

import { join } from 'node:path'
import { type FileSystem, syncDirectory, writeAll } from './file-port.ts'

export interface Segment {
  readonly number: number
  readonly fd: number
  readonly sizeBytes: number
}

/** Below, the reserve for last words would be most of it; above, a start reads too much into memory at once. */
export const segmentBounds: { readonly leastBytes: number; readonly mostBytes: number } = {
  leastBytes: 64 << 10,
  mostBytes: 1 << 30,
}

/** One step of reserving writes and syncs this much: a keystroke that comes meanwhile waits for no more. */
const reserveStepBytes = 1 << 20
const zeros = new Uint8Array(reserveStepBytes)

/** `00000001.seg` */
export function segmentName(number: number): string {
  return `${String(number).padStart(8, '0')}.seg`
}

/** The numbers of the segments in a directory, ascending. */
export function segmentNumbers(files: FileSystem, directory: string): number[] {
  return files
    .list(directory)
    .filter((name) => /^\d{8,15}\.seg$/.test(name))
    .map((name) => Number(name.slice(0, -'.seg'.length)))
    .sort((a, b) => a - b)
}

/** Reserves a segment's space in small steps. */
export class SegmentReservation {
  readonly number: number
  readonly #files: FileSystem
  readonly #directory: string
  readonly #sizeBytes: number
  readonly #fd: number
  #reserved = 0
  #ready = false

  constructor(files: FileSystem, directory: string, number: number, sizeBytes: number) {
    this.#files = files
    this.#directory = directory
    this.number = number
    this.#sizeBytes = sizeBytes
    this.#fd = files.open(join(directory, segmentName(number)), 'create')
  }

  get isReady(): boolean {
    return this.#ready
  }

  get reservedBytes(): number {
    return this.#reserved
  }

  /** Does one step; the last one makes the name durable. Throws what the system says. */
  step(): void {
    if (this.#ready) return
    this.#write()
    this.#settle()
  }

  /** The segment, with all that remains done now: one sync for all of it. */
  finish(): Segment {
    while (this.#reserved < this.#sizeBytes) this.#write()
    if (!this.#ready) this.#settle()
    return { number: this.number, fd: this.#fd, sizeBytes: this.#sizeBytes }
  }

  #write(): void {
    const length = Math.min(reserveStepBytes, this.#sizeBytes - this.#reserved)
    writeAll(this.#files, this.#fd, zeros.subarray(0, length), this.#reserved)
    this.#reserved += length
  }

  #settle(): void {
    this.#files.datasync(this.#fd)
    if (this.#reserved < this.#sizeBytes) return
    syncDirectory(this.#files, this.#directory)
    this.#ready = true
  }

  /** Gives the space back: nothing stands in it. */
  abandon(): void {
    this.#files.close(this.#fd)
    this.#files.unlink(join(this.#directory, segmentName(this.number)))
  }
}
