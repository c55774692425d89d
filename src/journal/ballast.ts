// Ballast: space held by a file of nothing, given back when the disk is found full, so that the last leaves and alerts
// of the state beside the journal fit.

import { join } from 'node:path'
import { type FileSystem, writeDurably } from './file-port.ts'

const mostBytes = 1 << 20

/** Makes the ballast file unless it is there. */
export function takeBallast(files: FileSystem, directory: string, segmentBytes: number): void {
  if (files.list(directory).includes('ballast')) return
  writeDurably(files, directory, join(directory, 'ballast'), Buffer.alloc(Math.min(segmentBytes, mostBytes)))
}

/** Gives its space back. */
export function dropBallast(files: FileSystem, directory: string): void {
  if (files.list(directory).includes('ballast')) files.unlink(join(directory, 'ballast'))
}
