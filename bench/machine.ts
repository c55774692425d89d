// The machine in a line, without names: what a figure was measured on.

import { readFileSync, realpathSync } from 'node:fs'
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { quantile } from './rounds.ts'

export interface Machine {
  readonly cores: number
  readonly processor: string
  readonly memoryGib: number
  readonly system: string
  readonly node: string
  /** Type of the file system of state and journal. */
  readonly fileSystem: string
}

/** `folder`: where the state lies. */
export function machine(folder: string): Machine {
  return {
    cores: cpus().length,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release().replace(/[^\d.].*$/, '')}`,
    node: process.version,
    fileSystem: fileSystemOf(folder),
  }
}

/** `ext4`, `tmpfs`, …: the type of the deepest mount that holds the folder. */
export function fileSystemOf(folder: string): string {
  const real = `${realpathSync(folder)}/`
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .flatMap(([, point, type]) => (point === undefined || type === undefined ? [] : [{ point, type }]))
    .filter(({ point }) => real.startsWith(point.endsWith('/') ? point : `${point}/`))
  return mounts.sort((a, b) => b.point.length - a.point.length)[0]?.type ?? 'unknown'
}

/** Bytes of one record: a statement's line with its frame. */
const RECORD_BYTES = 200
const RESERVED_BYTES = 1 << 20

/** p50 in ms of one write and one sync of a small record into reserved space, as the journal does it. */
export function syncCostMs(folder: string, count: number): number {
  const file = join(folder, 'sync-cost')
  const fd = openSync(file, 'wx', 0o600)
  try {
    writeSync(fd, Buffer.alloc(RESERVED_BYTES))
    fdatasyncSync(fd)
    const record = Buffer.alloc(RECORD_BYTES, 'r')
    const times: number[] = []
    for (let n = 0; n < count; n++) {
      const start = performance.now()
      writeSync(fd, record, 0, RECORD_BYTES, (n * RECORD_BYTES) % (RESERVED_BYTES - RECORD_BYTES))
      fdatasyncSync(fd)
      times.push(performance.now() - start)
    }
    return quantile(times, 0.5)
  } finally {
    closeSync(fd)
    rmSync(file)
  }
}
