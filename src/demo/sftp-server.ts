// An SFTP server, version 3 (draft-ietf-secsh-filexfer-02), on standard input and output, for machines without OpenSSH's.
// A program of its own: it runs under the account whose files it serves, so the system decides what may be read, and it
// is copied there with sftp-wire.ts, so it imports nothing else of ours. One request at a time, answered before the next is read.
import * as fs from 'node:fs/promises'
import { constants } from 'node:fs'
import { resolve } from 'node:path'
import { attrs, Fields, packet, Refusal, status, text, u32, type Attributes } from './sftp-wire.ts'

/** OpenSSH's own bound for a packet. */
const LONGEST_PACKET = 256 * 1024
/** More is asked in a second READ. */
const LONGEST_READ = 128 * 1024
const MOST_HANDLES = 200
/** Names given per READDIR; the client asks until it gets EOF. */
const NAMES_AT_ONCE = 100
const LONGEST_HANDLE = 16

type Open =
  | { readonly kind: 'file'; readonly file: fs.FileHandle; readonly append: boolean }
  | { readonly kind: 'folder'; readonly path: string; names: string[] }

const handles = new Map<string, Open>()
let nextHandle = 0

async function entry(name: string, path: string): Promise<Buffer> {
  const stat = await fs.lstat(path)
  const kind = stat.isDirectory() ? 'd' : stat.isSymbolicLink() ? 'l' : '-'
  const bits = Array.from('rwxrwxrwx', (letter, n) => (stat.mode & (0o400 >> n) ? letter : '-')).join('')
  const day = stat.mtime.toISOString().slice(0, 10)
  const long = `${kind}${bits} ${stat.nlink} ${stat.uid} ${stat.gid} ${stat.size} ${day} ${name}`
  return Buffer.concat([text(name), text(long), attrs(stat)])
}

function names(entries: readonly Buffer[]): Buffer[] {
  return [Buffer.from([packet.NAME]), u32(entries.length), ...entries]
}

function register(open: Open): Buffer[] {
  const name = String(nextHandle++)
  handles.set(name, open)
  return [Buffer.from([packet.HANDLE]), text(name)]
}

function handleName(fields: Fields): string {
  return fields.string().subarray(0, LONGEST_HANDLE).toString('latin1')
}

function find<Kind extends Open['kind']>(fields: Fields, kind: Kind): Extract<Open, { kind: Kind }> {
  const open = handles.get(handleName(fields))
  if (open?.kind !== kind) throw new Refusal(status.FAILURE, `no such ${kind} handle`)
  return open as Extract<Open, { kind: Kind }>
}

const ok: Buffer[] = [Buffer.from([packet.STATUS]), u32(status.OK), text('ok'), text('')]

async function openFile(fields: Fields): Promise<Buffer[]> {
  if (handles.size >= MOST_HANDLES) throw new Refusal(status.FAILURE, 'too many open handles')
  const path = fields.path()
  const flags = fields.uint32()
  const { mode } = fields.attributes()
  const [reads, writes, appends, creates, truncates, exclusive] = [1, 2, 4, 8, 16, 32].map((bit) => (flags & bit) !== 0)
  const access = writes ? (reads ? constants.O_RDWR : constants.O_WRONLY) : constants.O_RDONLY
  const file = await fs.open(
    path,
    access |
      (appends ? constants.O_APPEND : 0) |
      (creates ? constants.O_CREAT : 0) |
      (truncates ? constants.O_TRUNC : 0) |
      (exclusive ? constants.O_EXCL : 0),
    mode ?? 0o666,
  )
  return register({ kind: 'file', file, append: appends === true })
}

async function openFolder(fields: Fields): Promise<Buffer[]> {
  if (handles.size >= MOST_HANDLES) throw new Refusal(status.FAILURE, 'too many open handles')
  const path = fields.path()
  return register({ kind: 'folder', path, names: ['.', '..', ...(await fs.readdir(path))] })
}

async function close(fields: Fields): Promise<Buffer[]> {
  const name = handleName(fields)
  const open = handles.get(name)
  if (!open) throw new Refusal(status.FAILURE, 'no such handle')
  handles.delete(name)
  if (open.kind === 'file') await open.file.close()
  return ok
}

async function read(fields: Fields): Promise<Buffer[]> {
  const { file } = find(fields, 'file')
  const at = fields.uint64()
  const buffer = Buffer.alloc(Math.min(fields.uint32(), LONGEST_READ))
  const { bytesRead } = await file.read(buffer, 0, buffer.length, at)
  if (bytesRead === 0) throw new Refusal(status.EOF, 'end of file')
  return [Buffer.from([packet.DATA]), text(buffer.subarray(0, bytesRead))]
}

async function write(fields: Fields): Promise<Buffer[]> {
  const { file, append } = find(fields, 'file')
  const at = fields.uint64()
  const data = fields.string()
  for (let done = 0; done < data.length;)
    done += (await file.write(data, done, data.length - done, append ? null : at + done)).bytesWritten
  return ok
}

async function readFolder(fields: Fields): Promise<Buffer[]> {
  const folder = find(fields, 'folder')
  if (folder.names.length === 0) throw new Refusal(status.EOF, 'end of folder')
  const some = folder.names.splice(0, NAMES_AT_ONCE)
  const listed = await Promise.allSettled(some.map((name) => entry(name, resolve(folder.path, name))))
  // What was deleted since the folder was read is left out.
  return names(listed.filter((result) => result.status === 'fulfilled').map((result) => result.value))
}

/** Like sftp-server's: links are followed as far as they exist, so that a path to be made has an answer too. */
async function realPath(fields: Fields): Promise<Buffer[]> {
  const path = resolve(fields.path())
  const real = await fs.realpath(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return path
    throw error
  })
  return names([Buffer.concat([text(real), text(real), u32(0)])])
}

async function rename(from: string, to: string, overwrite: boolean): Promise<Buffer[]> {
  if (overwrite) {
    await fs.rename(from, to)
    return ok
  }
  // Version 3 has RENAME fail where the new name exists; link refuses that in one step, but not for folders.
  const stat = await fs.lstat(from)
  if (stat.isFile()) {
    await fs.link(from, to)
    await fs.unlink(from)
    return ok
  }
  if (await exists(to)) throw new Refusal(status.FAILURE, 'the new name exists')
  await fs.rename(from, to)
  return ok
}

async function exists(path: string): Promise<boolean> {
  return fs.lstat(path).then(
    () => true,
    () => false,
  )
}

async function setAttributes(
  { sizeBytes, mode, times }: Attributes,
  target: Pick<fs.FileHandle, 'truncate' | 'chmod' | 'utimes'>,
): Promise<Buffer[]> {
  if (sizeBytes !== undefined) await target.truncate(sizeBytes)
  if (mode !== undefined) await target.chmod(mode)
  if (times !== undefined) await target.utimes(...times)
  return ok
}

function byPath(path: string): Pick<fs.FileHandle, 'truncate' | 'chmod' | 'utimes'> {
  return {
    truncate: (size) => fs.truncate(path, size),
    chmod: (mode) => fs.chmod(path, mode),
    utimes: (accessed, modified) => fs.utimes(path, accessed, modified),
  }
}

/** Carries one request out and gives the reply: its type, then what follows the id. */
async function answer(type: number, fields: Fields): Promise<Buffer[]> {
  switch (type) {
    case packet.OPEN:
      return openFile(fields)
    case packet.CLOSE:
      return close(fields)
    case packet.READ:
      return read(fields)
    case packet.WRITE:
      return write(fields)
    case packet.LSTAT:
      return [Buffer.from([packet.ATTRS]), attrs(await fs.lstat(fields.path()))]
    case packet.STAT:
      return [Buffer.from([packet.ATTRS]), attrs(await fs.stat(fields.path()))]
    case packet.FSTAT:
      return [Buffer.from([packet.ATTRS]), attrs(await find(fields, 'file').file.stat())]
    case packet.SETSTAT: {
      const path = fields.path()
      return setAttributes(fields.attributes(), byPath(path))
    }
    case packet.FSETSTAT: {
      const { file } = find(fields, 'file')
      return setAttributes(fields.attributes(), file)
    }
    default:
      return answerNames(type, fields)
  }
}

/** The requests about names rather than contents. */
async function answerNames(type: number, fields: Fields): Promise<Buffer[]> {
  switch (type) {
    case packet.OPENDIR:
      return openFolder(fields)
    case packet.READDIR:
      return readFolder(fields)
    case packet.REALPATH:
      return realPath(fields)
    case packet.REMOVE:
      await fs.unlink(fields.path())
      return ok
    case packet.MKDIR:
      await fs.mkdir(fields.path(), fields.attributes().mode ?? 0o777)
      return ok
    case packet.RMDIR:
      await fs.rmdir(fields.path())
      return ok
    case packet.RENAME:
      return rename(fields.path(), fields.path(), false)
    case packet.READLINK: {
      const to = await fs.readlink(fields.path())
      return names([Buffer.concat([text(to), text(to), u32(0)])])
    }
    case packet.SYMLINK:
      // OpenSSH sends the target first, against the draft, and every client follows it.
      await fs.symlink(fields.path(), fields.path())
      return ok
    case packet.EXTENDED:
      if (fields.string().toString('latin1') !== 'posix-rename@openssh.com') break
      return rename(fields.path(), fields.path(), true)
    default:
  }
  throw new Refusal(status.UNSUPPORTED, 'not supported')
}

function refusal(error: unknown): Buffer[] {
  const { code, message } = error as { code?: string | number; message?: string }
  const byErrno = new Map<unknown, number>([
    ['ENOENT', status.NO_SUCH_FILE],
    ['EACCES', status.PERMISSION_DENIED],
    ['EPERM', status.PERMISSION_DENIED],
  ])
  const number = error instanceof Refusal ? error.code : (byErrno.get(code) ?? status.FAILURE)
  return [Buffer.from([packet.STATUS]), u32(number), text(message ?? 'failure'), text('')]
}

async function send(parts: readonly Buffer[]): Promise<void> {
  const body = Buffer.concat(parts)
  const hasRoom = process.stdout.write(Buffer.concat([u32(body.length), body]))
  if (!hasRoom) await new Promise((done) => process.stdout.once('drain', done))
}

/** Answers one packet; throws where what comes is not SFTP at all. */
async function serve(bytes: Buffer): Promise<void> {
  const type = bytes[0] ?? 0
  if (type === packet.INIT)
    return send([Buffer.from([packet.VERSION]), u32(3), text('posix-rename@openssh.com'), text('1')])
  if (bytes.length < 5) throw new Error('packet without id')
  const id = bytes.subarray(1, 5)
  const [head = Buffer.alloc(0), ...rest] = await answer(type, new Fields(bytes.subarray(5))).catch(refusal)
  return send([head, id, ...rest])
}

async function main(): Promise<void> {
  // The client went away: nobody is left to answer.
  process.stdout.on('error', () => process.exit(1))
  let pending: Buffer = Buffer.alloc(0)
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    while (pending.length >= 4) {
      const length = pending.readUInt32BE()
      if (length < 1 || length > LONGEST_PACKET) throw new Error(`packet of ${length} bytes`)
      if (pending.length < 4 + length) break
      await serve(pending.subarray(4, 4 + length))
      pending = pending.subarray(4 + length)
    }
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`sftp-server: ${(error as Error).message}\n`)
  process.exitCode = 1
})
