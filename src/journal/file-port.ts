// The few file operations the journal needs, synchronous because its thread has nothing else to do. A port, so that
// tests make any one of them fail; every call throws what the system says (`ENOSPC`, `EIO`).

import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs'

export interface FileSystem {
  /** `create`: new, 0600, fails when it exists. `update`: read and write. `read`: files and directories. */
  open(path: string, how: 'create' | 'update' | 'read'): number
  /** Writes some of `bytes` at `position`; gives how many. */
  write(fd: number, bytes: Uint8Array, position: number): number
  /** Reads into `bytes` from `position`; gives how many, 0 at the end. */
  read(fd: number, bytes: Uint8Array, position: number): number
  size(fd: number): number
  /** Data and what is needed to read it back. */
  datasync(fd: number): void
  /** All of it; for a directory its entries. */
  sync(fd: number): void
  close(fd: number): void
  rename(from: string, to: string): void
  unlink(path: string): void
  /** Names of the entries of a directory. */
  list(path: string): string[]
  /** 0700, with its parents; nothing when it exists. */
  makeDirectory(path: string): void
}

const flags = {
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
  update: constants.O_RDWR | constants.O_NOFOLLOW,
  read: constants.O_RDONLY,
}

/** The machine's own files. Node opens every descriptor close-on-exec. */
export function systemFiles(): FileSystem {
  return {
    open: (path, how) => openSync(path, flags[how], 0o600),
    write: (fd, bytes, position) => writeSync(fd, bytes, 0, bytes.length, position),
    read: (fd, bytes, position) => readSync(fd, bytes, 0, bytes.length, position),
    size: (fd) => fstatSync(fd).size,
    datasync: (fd) => fdatasyncSync(fd),
    sync: (fd) => fsyncSync(fd),
    close: (fd) => closeSync(fd),
    rename: (from, to) => renameSync(from, to),
    unlink: (path) => unlinkSync(path),
    list: (path) => readdirSync(path),
    makeDirectory: (path) => {
      mkdirSync(path, { recursive: true, mode: 0o700 })
    },
  }
}

/** Writes all of `bytes` at `position`. A write that takes nothing is an error: trying again would go on for ever. */
export function writeAll(files: FileSystem, fd: number, bytes: Uint8Array, position: number): void {
  let done = 0
  while (done < bytes.length) {
    const wrote = files.write(fd, bytes.subarray(done), position + done)
    if (wrote <= 0) throw new Error(`write of ${bytes.length - done} bytes took none`)
    done += wrote
  }
}

/** Reads `length` bytes from `position`, fewer where the file ends. */
export function readUpTo(files: FileSystem, fd: number, length: number, position: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let done = 0
  while (done < length) {
    const got = files.read(fd, bytes.subarray(done), position + done)
    if (got <= 0) break
    done += got
  }
  return bytes.subarray(0, done)
}

/** A new file of exactly these bytes, durable with its name. */
export function writeDurably(files: FileSystem, directory: string, path: string, bytes: Uint8Array): void {
  const fd = files.open(path, 'create')
  try {
    writeAll(files, fd, bytes, 0)
    files.sync(fd)
  } finally {
    files.close(fd)
  }
  syncDirectory(files, directory)
}

/** Makes the names in a directory durable. */
export function syncDirectory(files: FileSystem, directory: string): void {
  const fd = files.open(directory, 'read')
  try {
    files.sync(fd)
  } finally {
    files.close(fd)
  }
}

/** `ENOSPC` and its like; empty when it is no error of the system. */
export function systemCode(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  return typeof code === 'string' ? code : ''
}
