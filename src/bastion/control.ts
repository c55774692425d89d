// The local control socket: what root, or Halligan's own account, may do on this machine without being a person. The
// file's mode is the check of who asks; everything it changes is a leaf with the asker's uid. One request a connection.

import { chmodSync, closeSync, constants, existsSync, lstatSync, openSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { HalliganError, safeError, type ErrorCode } from '../errors.ts'
import { mainLog } from '../log.ts'

/** Longest path a socket's address holds, the final zero aside: 104 bytes on macOS, 108 on Linux. */
export const MAX_SOCKET_PATH_BYTES = 103
/** A request is some names and a reason. */
const MAX_REQUEST_BYTES = 4096
/** From connecting to a whole request; a command of ours sends it at once. */
const REQUEST_MS = 5_000
/** Commands of one operator at once, with room. */
const MAX_CONNECTIONS = 8
/** An answer that nobody reads does not stay. */
const ANSWER_MS = 5_000

const uid = z
  .int()
  .min(0)
  .max(2 ** 32 - 1)
const scope = z.string().min(1).max(128)
const reason = z.string().max(1000)

const requestSchema = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('lock'), uid, scope, reason }),
  z.strictObject({ do: z.literal('unlock'), uid, scope, reason }),
  z.strictObject({ do: z.literal('reload'), uid }),
  z.strictObject({ do: z.literal('status'), uid }),
])

export type ControlRequest = z.infer<typeof requestSchema>

export type ControlAnswer =
  | { readonly ok: true; readonly text: string; readonly value: unknown }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string; readonly hint?: string | undefined }

/** What is done, and what it says. Throws what is to be told. `actor` is `local:UID`. */
export type Control = (
  request: ControlRequest,
  actor: string,
) => Promise<{ readonly text: string; readonly value: unknown }>

export interface ControlSocket {
  /** The file, or undefined where there is none; then `problem` says why. */
  readonly file: string | undefined
  readonly problem: string | undefined
  /** Harmless when called twice. */
  close(): Promise<void>
}

/** Where the socket of a state directory is. */
export function socketFile(stateDirectory: string): string {
  return join(stateDirectory, 'halligan.sock')
}

/**
 * Listens in `stateDirectory`, which this process holds: a socket found there was left by a crash and is replaced. Where
 * no socket can be, Halligan starts without one and says so: locking from this machine then needs Halligan stopped.
 */
export async function listenControl(stateDirectory: string, clock: Clock, control: Control): Promise<ControlSocket> {
  const file = socketFile(stateDirectory)
  const server = createServer({ allowHalfOpen: true }, (socket) => serve(socket, clock, control))
  server.maxConnections = MAX_CONNECTIONS
  server.on('error', (error) => mainLog.error('control.listener-error', { error }))
  let directory: ShortPath | undefined
  try {
    makeWay(file)
    directory = shortPath(stateDirectory)
    await listen(server, directory.path)
    chmodSync(file, 0o600)
  } catch (error) {
    directory?.close()
    server.close()
    const problem = safeProblem(error)
    mainLog.error('control.not-served', { file, error })
    return { file: undefined, problem, close: async () => {} }
  }
  const letGo = directory.close
  let closing: Promise<void> | undefined
  return { file, problem: undefined, close: () => (closing ??= closed(server, file, letGo)) }
}

interface ShortPath {
  readonly path: string
  readonly close: () => void
}

/**
 * A path to the socket that its address can hold. A state directory deep in a tree is reached through a descriptor of it,
 * on systems that show those as paths (Linux); `close` lets go of it. Throws `unavailable` elsewhere.
 */
export function shortPath(stateDirectory: string): ShortPath {
  const file = socketFile(stateDirectory)
  if (Buffer.byteLength(file) <= MAX_SOCKET_PATH_BYTES) return { path: file, close: () => {} }
  const descriptor = openSync(stateDirectory, constants.O_RDONLY | constants.O_DIRECTORY)
  const through = `/proc/self/fd/${descriptor}`
  const close = (): void => closeSync(descriptor)
  if (existsSync(through)) return { path: socketFile(through), close }
  close()
  throw new HalliganError('unavailable', `the path of ${file} is longer than ${MAX_SOCKET_PATH_BYTES} bytes`, {
    hint: 'give Halligan a state directory with a shorter path',
  })
}

/** Throws `unavailable` when something that is no socket is in the way: it is not ours to remove. */
function makeWay(file: string): void {
  const found = lstatSync(file, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) throw new HalliganError('unavailable', `${file} is in the way and is no socket`)
  rmSync(file)
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

async function closed(server: Server, file: string, letGo: () => void): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()))
  letGo()
  rmSync(file, { force: true })
}

function serve(socket: Socket, clock: Clock, control: Control): void {
  const chunks: Buffer[] = []
  let size = 0
  // Whoever is slow, or goes away, is nobody else's trouble.
  const timer = clock.after(REQUEST_MS, () => socket.destroy())
  socket.on('error', (error) => mainLog.debug('control.peer-gone', { error }))
  socket.on('close', () => timer.cancel())
  const onData = (piece: Buffer | string): void => {
    const bytes = Buffer.from(piece)
    chunks.push(bytes)
    size += bytes.length
    const isWhole = bytes.includes(0x0a)
    if (!isWhole && size <= MAX_REQUEST_BYTES) return
    socket.off('data', onData)
    socket.pause()
    timer.cancel()
    void answer(Buffer.concat(chunks), control).then((answered) => {
      const last = clock.after(ANSWER_MS, () => socket.destroy())
      socket.on('close', () => last.cancel())
      // Read to its end, so that what else was sent does not turn the answer into a reset.
      socket.on('data', () => {})
      socket.resume()
      socket.end(`${JSON.stringify(answered)}\n`)
    })
  }
  socket.on('data', onData)
  socket.on('end', () => {
    if (size === 0 || socket.listeners('data').includes(onData)) socket.destroy()
  })
}

async function answer(bytes: Buffer, control: Control): Promise<ControlAnswer> {
  try {
    const request = read(bytes)
    return { ok: true, ...(await control(request, `local:${request.uid}`)) }
  } catch (error) {
    const shown = safeError(error)
    if (shown.code === 'internal') mainLog.error('control.failed', { error })
    return { ok: false, code: shown.code, message: shown.message, hint: shown.hint }
  }
}

function read(bytes: Buffer): ControlRequest {
  const end = bytes.indexOf(0x0a)
  if (end < 0 || end > MAX_REQUEST_BYTES)
    throw new HalliganError('usage', `a request is one line of at most ${MAX_REQUEST_BYTES} bytes`)
  let json: unknown
  try {
    json = JSON.parse(bytes.toString('utf8', 0, end))
  } catch (cause) {
    throw new HalliganError('usage', 'a request is one line of JSON', { cause })
  }
  const parsed = requestSchema.safeParse(json)
  if (!parsed.success) throw new HalliganError('usage', 'no request that this Halligan knows')
  return parsed.data
}

function safeProblem(error: unknown): string {
  if (error instanceof HalliganError) return error.describe()
  return error instanceof Error && 'code' in error ? String(error.code) : 'it cannot be listened on'
}
