import { once } from 'node:events'
import { existsSync, linkSync, lstatSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type Control,
  type ControlRequest,
  type ControlSocket,
  listenControl,
  MAX_SOCKET_PATH_BYTES,
  socketFile,
} from '../../src/bastion/control.ts'
import { ask } from '../../src/bastion/local-control.ts'
import { systemClock } from '../../src/clock.ts'
import { HalliganError } from '../../src/errors.ts'
import { FakeClock } from '../support/clock.ts'

const clock = systemClock()
let folder: string
let open: ControlSocket | undefined
let asked: { request: ControlRequest; actor: string }[]

const control: Control = async (request, actor) => {
  asked.push({ request, actor })
  if (request.do === 'unlock')
    throw new HalliganError('conflict', 'user alice is not locked', { hint: 'look at status' })
  return { text: `${request.do} done`, value: null }
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'halligan-control-'))
  asked = []
  open = undefined
})

afterEach(async () => {
  await open?.close()
  rmSync(folder, { recursive: true, force: true })
})

const lockAlice: ControlRequest = { do: 'lock', uid: 1000, scope: 'user:alice', reason: 'laptop stolen' }

test('one request, one answer: what was asked, by which account, and what was done', async () => {
  open = await listenControl(folder, clock, control)
  expect(await ask(folder, clock, lockAlice)).toBe('lock done')
  expect(asked).toEqual([{ request: lockAlice, actor: 'local:1000' }])
  await expect(ask(folder, clock, { ...lockAlice, do: 'unlock' })).rejects.toMatchObject({
    code: 'conflict',
    hint: 'look at status',
  })
})

test('the socket is for its owner alone, and goes when Halligan stops', async () => {
  open = await listenControl(folder, clock, control)
  expect(statSync(socketFile(folder)).mode & 0o777).toBe(0o600)
  await open.close()
  expect(existsSync(socketFile(folder))).toBe(false)
  expect(await ask(folder, clock, lockAlice)).toBeUndefined()
  expect(await ask(join(folder, 'nowhere'), clock, lockAlice)).toBeUndefined()
})

/** As kill -9 leaves it: a file that nobody listens on. */
async function leaveStale(): Promise<void> {
  const aside = join(folder, 'aside.sock')
  const server = createServer().listen(aside)
  await once(server, 'listening')
  linkSync(aside, socketFile(folder))
  server.close()
  await once(server, 'close')
}

test('what a crash left is nobody who answers, and is replaced at the next start', async () => {
  await leaveStale()
  expect(lstatSync(socketFile(folder)).isSocket()).toBe(true)
  expect(await ask(folder, clock, lockAlice)).toBeUndefined()
  open = await listenControl(folder, clock, control)
  expect(await ask(folder, clock, lockAlice)).toBe('lock done')
})

test('something else of that name is not removed: Halligan starts without a socket and says so', async () => {
  for (const make of [() => writeFileSync(socketFile(folder), 'precious'), () => mkdirSync(socketFile(folder))]) {
    rmSync(socketFile(folder), { recursive: true, force: true })
    make()
    const none = await listenControl(folder, clock, control)
    expect(none).toMatchObject({ file: undefined, problem: expect.stringContaining('in the way') as string })
    expect(existsSync(socketFile(folder))).toBe(true)
    await none.close()
  }
})

test('a state directory deep in a tree has its socket all the same', async () => {
  const deep = join(folder, ...Array.from({ length: 12 }, (_, level) => `a-rather-long-name-${level}`))
  mkdirSync(deep, { recursive: true })
  expect(Buffer.byteLength(socketFile(deep))).toBeGreaterThan(MAX_SOCKET_PATH_BYTES + 100)
  open = await listenControl(deep, clock, control)
  // Linux reaches it through a descriptor of the directory; elsewhere Halligan starts and says what is missing.
  if (process.platform !== 'linux') return expect(open.problem).toContain('longer than')
  expect(statSync(socketFile(deep)).mode & 0o777).toBe(0o600)
  expect(await ask(deep, clock, lockAlice)).toBe('lock done')
  await open.close()
  expect(existsSync(socketFile(deep))).toBe(false)
})

async function dial(): Promise<Socket> {
  const socket = connect(socketFile(folder))
  socket.on('error', () => {
    // A reset is an answer too, where a test is about that.
  })
  await once(socket, 'connect')
  return socket
}

async function said(socket: Socket): Promise<string> {
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  if (!socket.destroyed) await new Promise((closed) => socket.once('close', closed))
  return Buffer.concat(pieces).toString()
}

const garbage: { name: string; bytes: Buffer | string }[] = [
  { name: 'no JSON', bytes: 'lock everything now\n' },
  { name: 'an empty line', bytes: '\n' },
  { name: 'JSON that is no object', bytes: '[1,2]\n' },
  { name: 'an unknown request', bytes: '{"do":"approve","uid":0,"grant":"g1"}\n' },
  { name: 'more than is known', bytes: `${JSON.stringify({ ...lockAlice, as: 'adam' })}\n` },
  { name: 'an account that is no number', bytes: '{"do":"status","uid":"0"}\n' },
  { name: 'a negative account', bytes: '{"do":"status","uid":-1}\n' },
  { name: 'a line that is too long', bytes: `{"do":"status","uid":0,"x":"${'x'.repeat(8000)}"}\n` },
  { name: 'a megabyte without a newline', bytes: Buffer.alloc(1 << 20, 0x61) },
  { name: 'binary', bytes: Buffer.from([0xff, 0xfe, 0x00, 0x0a]) },
  { name: 'a prototype', bytes: '{"__proto__":{"do":"lock"},"uid":0}\n' },
]
for (const { name, bytes } of garbage)
  test(`refused with one line, doing nothing: ${name}`, async () => {
    open = await listenControl(folder, clock, control)
    const socket = await dial()
    socket.write(bytes)
    expect(JSON.parse(await said(socket))).toMatchObject({ ok: false, code: 'usage' })
    expect(asked).toEqual([])
    expect(await ask(folder, clock, lockAlice)).toBe('lock done')
  })

test('a second request on the same connection is not read', async () => {
  open = await listenControl(folder, clock, control)
  const socket = await dial()
  const line = `${JSON.stringify(lockAlice)}\n`
  socket.write(line + line)
  const answers = (await said(socket)).trim().split('\n')
  expect(answers).toHaveLength(1)
  expect(asked).toHaveLength(1)
})

test('who says nothing, half a request, or goes away is let go, and the others are served', async () => {
  const fake = new FakeClock()
  open = await listenControl(folder, fake, control)
  const silent = await dial()
  const slow = await dial()
  slow.write('{"do":"lo')
  const gone = await dial()
  gone.end('{"do":')
  expect(await said(gone)).toBe('')
  expect(await ask(folder, clock, lockAlice)).toBe('lock done')
  const both = Promise.all([said(silent), said(slow)])
  fake.advance(5_001)
  expect(await both).toEqual(['', ''])
})

test('more at once than any operator needs are turned away, not queued', async () => {
  open = await listenControl(folder, clock, control)
  const silent = await Promise.all(Array.from({ length: 8 }, () => dial()))
  const ninth = connect(socketFile(folder))
  ninth.on('error', () => {})
  ninth.write(`${JSON.stringify(lockAlice)}\n`)
  expect(await said(ninth)).toBe('')
  expect(asked).toEqual([])
  for (const socket of silent) socket.destroy()
  await expect.poll(() => ask(folder, clock, lockAlice).catch(() => 'not yet')).toBe('lock done')
})

test('a listener that is no halligan, or answers nothing, is named as that', async () => {
  for (const answer of ['hello\n', '{"ok":"yes"}\n', '', '{"ok":false,"code":"boom","message":"x"}\n']) {
    rmSync(socketFile(folder), { force: true })
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.resume()
      socket.end(answer)
    }).listen(socketFile(folder))
    await once(server, 'listening')
    await expect(ask(folder, clock, lockAlice)).rejects.toMatchObject({ code: 'unavailable' })
    server.close()
    await once(server, 'close')
  }
})
