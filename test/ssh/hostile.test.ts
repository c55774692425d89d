import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import ssh2, { type Client as Ssh2Client, type ClientChannel } from 'ssh2'
import { afterEach, describe, expect, test } from 'vitest'
import { FakeClock } from '../support/clock.ts'
import { Channel } from '../../src/ssh/channel.ts'
import { has } from '../support/clients.ts'
import { run, Terminal } from '../support/terminal.ts'
import { hasLoginShell } from './openssh.ts'
import { startWorld, type World, type WorldOptions } from './world.ts'

/** What the library keeps to itself, as a hostile client would use it. */
interface Inside {
  readonly _sock: Socket
  readonly _protocol: {
    session(channel: number, window: number, packetSize: number): void
    env(channel: number, name: string, value: string | Buffer, wantReply: boolean): void
    channelData(channel: number, bytes: Buffer): void
    channelOpenConfirm(remote: number, local: number, window: number, packetSize: number): void
  }
}

let world: World
const clients: Ssh2Client[] = []
const sockets: Socket[] = []
const start = async (options: WorldOptions = {}) => (world = await startWorld(options))
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  for (const socket of sockets.splice(0)) socket.destroy()
  await world.close()
})

const dial = async () => {
  const socket = connect(world.listener.port, '127.0.0.1')
  sockets.push(socket)
  await once(socket, 'connect')
  return socket
}
const key = (name: string) => readFileSync(world.keys.path(name))

/** A client of our own making. */
function client(username: string, options: Partial<ssh2.ConnectConfig> = {}): Ssh2Client {
  const made = new ssh2.Client()
  clients.push(made)
  made.on('error', () => undefined)
  made.connect({ host: '127.0.0.1', port: world.listener.port, username, privateKey: key('alice'), ...options })
  return made
}
const closed = (made: Ssh2Client) => new Promise<void>((resolve) => made.once('close', resolve))
const inside = (made: Ssh2Client) => made as unknown as Inside
const exec = (made: Ssh2Client, command: string) =>
  new Promise<ClientChannel>((resolve, reject) =>
    made.exec(command, (error, channel) => (error === undefined ? resolve(channel) : reject(error))),
  )

describe('before a login', () => {
  test('plain HTTP closes the connection', async () => {
    await start()
    const socket = await dial()
    socket.end('GET / HTTP/1.1\r\nHost: bastion\r\n\r\n')
    socket.resume()
    await once(socket, 'close')
  })

  test('garbage closes the connection', async () => {
    await start()
    const socket = await dial()
    socket.write(Buffer.alloc(100_000, 0x41))
    socket.resume().on('error', () => undefined)
    await once(socket, 'close')
  })

  test('a client that never speaks is let go after ten seconds, and one that only says its version after twenty', async () => {
    const clock = new FakeClock()
    await start({ clock })
    const silent = await dial()
    const greeted = await dial()
    greeted.write('SSH-2.0-OpenSSH_9.9\r\n')
    // The server's own version and offer show that the greeting has been read.
    await once(greeted, 'data')
    while (greeted.bytesRead < 200) await once(greeted, 'data')
    silent.resume()
    clock.advance(10_000)
    await once(silent, 'close')
    expect(greeted.closed).toBe(false)
    greeted.resume().on('error', () => undefined)
    clock.advance(20_000)
    clock.advance(2_000)
    await once(greeted, 'close')
    expect(world.refusals).toEqual(['timeout'])
  })

  test('one address gets no more than its share of connections without a login', async () => {
    await start()
    const held = await Promise.all(Array.from({ length: 16 }, dial))
    const refused = await dial()
    refused.resume().on('error', () => undefined)
    await once(refused, 'close')
    expect(held.filter((socket) => socket.closed)).toEqual([])
    expect(held).toHaveLength(16)
  })

  test('a key that is only shown, or signed with another, proves nothing and asks nobody for a code', async () => {
    await start()
    const parsed = ssh2.utils.parseKey(key('alice'))
    const foreign = ssh2.utils.parseKey(key('stranger'))
    if (parsed instanceof Error || foreign instanceof Error) throw new Error('test keys do not parse')
    parsed.sign = (data: Buffer | string, algorithm?: string) => foreign.sign(data, algorithm)
    const left: unknown[] = []
    const methods: unknown[] = [
      { type: 'publickey', username: 'alice+web-1', key: parsed },
      { type: 'keyboard-interactive', username: 'alice+web-1', prompt: () => left.push('asked') },
      false,
    ]
    const made = client('alice+web-1', {
      authHandler: ((methodsLeft: unknown, _partial: unknown, next: (method: unknown) => void) => {
        left.push(methodsLeft)
        next(methods.shift())
      }) as never,
    })
    await closed(made)
    expect(left).toEqual([null, ['publickey'], ['publickey']])
    expect(world.refusals).toEqual(['bad-signature'])
  })

  test('a channel message ends the connection', async () => {
    await start()
    const made = client('alice', { authHandler: (() => undefined) as never })
    await once(made, 'handshake')
    inside(made)._protocol.session(0, 1 << 20, 1 << 15)
    await closed(made)
  })

  test.for([
    { name: 'an empty name', login: '' },
    { name: 'a zero byte', login: 'alice\u0000' },
    { name: 'a line break', login: 'alice+web-1\n' },
    { name: 'an escape sequence', login: 'alice+\u001b[2Jweb-1' },
    { name: 'a name without end', login: `alice+${'a'.repeat(4000)}` },
    { name: 'a change of direction', login: '\u202ealice' },
    { name: 'a path', login: '../alice' },
  ])('$name is refused and noted', async ({ login }) => {
    await start()
    await closed(client(login))
    expect(world.refusals.length).toBeGreaterThan(0)
    expect(world.refusals.filter((reason) => reason !== 'malformed')).toEqual([])
    expect(world.recorders.size).toBe(0)
  })
})

describe.runIf(has('ssh', 'sshd') && hasLoginShell)('after a login', () => {
  const enter = async (options: WorldOptions = {}) => {
    await start(options)
    await world.grant()
    const made = client('alice+web-1')
    await once(made, 'ready')
    return made
  }

  test('data beyond the window ends the connection', async () => {
    const made = await enter()
    const channel = await exec(made, 'sleep 60')
    const { outgoing } = channel as unknown as { outgoing: { id: number } }
    const chunk = Buffer.alloc(32 << 10)
    for (let sent = 0; sent < 200; sent++) inside(made)._protocol.channelData(outgoing.id, chunk)
    await closed(made)
    await world.ended()
    expect(world.recorder().stream('i').length).toBeLessThan(3 << 20)
  })

  test.for([0, 1, 100])('a channel that takes packets of %i bytes is not opened', async (packetSize) => {
    const made = await enter()
    const protocol = inside(made)._protocol
    const { session } = protocol
    protocol.session = (channel, window) => session.call(protocol, channel, window, packetSize)
    await expect(exec(made, 'id')).rejects.toThrow(/too small/)
    protocol.session = session
    expect((await exec(made, 'id')).readable).toBe(true)
  })

  test('what a client hides in its environment and window size is recorded byte by byte', async () => {
    const made = await enter()
    const protocol = inside(made)._protocol
    const { env } = protocol
    protocol.env = (channel, name) => env.call(protocol, channel, name, Buffer.from([0x61, 0xff, 0xfe]), false)
    const channel = await new Promise<ClientChannel>((resolve, reject) =>
      made.shell(
        { rows: 24, cols: 80, width: 4711, height: 815, term: 'vt-hidden' },
        { env: { LC_X: '' } },
        (error, shell) => (error === undefined ? resolve(shell) : reject(error)),
      ),
    )
    // Shown by the banner: from here on the size is the running program's.
    await once(channel.stderr, 'data')
    channel.setWindow(24, 81, 5678, 1234)
    channel.resume().write('exit\n')
    await new Promise<void>((resolve) => channel.once('close', () => resolve()))
    await world.ended()
    const facts = world.recorder().facts('c')
    expect(facts).toContainEqual({ type: 'env', name: 'LC_X', value: 'a\ufffd\ufffd', raw: 'Yf/+' })
    expect(facts).toContainEqual(
      expect.objectContaining({ type: 'pty-req', term: 'vt-hidden', cols: 80, rows: 24, widthPx: 4711, heightPx: 815 }),
    )
    expect(facts).toContainEqual({ type: 'window-change', widthPx: 1234, heightPx: 5678 })
  })

  test('a connection holds ten channels and no more', async () => {
    const made = await enter()
    const open = await Promise.all(Array.from({ length: 10 }, () => exec(made, 'sleep 60')))
    expect(open).toHaveLength(10)
    await expect(exec(made, 'id')).rejects.toThrow(/at most 10/)
  })

  test('a client that opens a huge window and reads nothing costs no memory', async () => {
    const made = await enter()
    const protocol = inside(made)._protocol
    const { session } = protocol
    protocol.session = (channel, _window, packetSize) => session.call(protocol, channel, 0x7fffffff, packetSize)
    const before = process.memoryUsage()
    const channel = await exec(made, 'cat /dev/zero')
    channel.pause()
    inside(made)._sock.pause()
    // By then everything that could be buffered has been: the recorder has seen no more for a hundred rounds.
    const recorder = world.recorder()
    for (let [quiet, seen] = [0, -1]; quiet < 100;) {
      await new Promise<void>((resolve) => setImmediate(resolve))
      quiet = seen === recorder.events.length ? quiet + 1 : 0
      seen = recorder.events.length
    }
    const { arrayBuffers } = process.memoryUsage()
    expect(arrayBuffers - before.arrayBuffers).toBeLessThan(48 << 20)
  })

  test('a flood of requests that nothing holds back ends the session', async () => {
    const made = await enter()
    const channel = await new Promise<ClientChannel>((resolve, reject) =>
      made.shell({ rows: 24, cols: 80 }, (error, shell) => (error === undefined ? resolve(shell) : reject(error))),
    )
    while (world.recorders.size === 0) await new Promise<void>((resolve) => setImmediate(resolve))
    world.recorder().isHeld = true
    for (let count = 0; count < 2000; count++) channel.setWindow(24, 80 + (count % 10), 0, 0)
    const shown: Buffer[] = []
    channel.stderr.on('data', (bytes: Buffer) => shown.push(bytes))
    channel.resume()
    await new Promise<void>((resolve) => channel.once('close', () => resolve()))
    world.recorder().release()
    expect(Buffer.concat(shown).toString()).toContain('more than 1024 requests')
    expect((await world.ended())[0]?.end.reason).toBe('protocol-violation')
  })

  test('messages for a channel that is not there, and replies to nothing, end the connection', async () => {
    const made = await enter()
    inside(made)._protocol.channelData(4711, Buffer.from('x'))
    await closed(made)
  })

  test('forwarding, agents and X11 are refused, ports with a reason', async () => {
    await start()
    await world.grant()
    const forward = await run('ssh', [...world.ssh('alice+web-1', '-W', '127.0.0.1:22')])
    expect(forward.status).not.toBe(0)
    expect(forward.stderr).toContain('halligan forwards no ports')
    const local = new Terminal(
      'ssh',
      world.ssh('alice+web-1', '-N', '-L', `${world.keys.path('forward')}:127.0.0.1:22`),
    )
    await expect.poll(() => existsSync(world.keys.path('forward'))).toBe(true)
    const through = connect(world.keys.path('forward')).resume()
    await once(through, 'close')
    // The client asked for no more sessions by then; a forward is refused for what it is.
    await local.expect('halligan forwards no ports')
    local.close()
    const reverse = await run('ssh', [
      ...world.ssh('alice+web-1', '-R', '0:127.0.0.1:1', '-o', 'ExitOnForwardFailure=yes'),
      'id',
    ])
    expect(reverse.status).not.toBe(0)
    const made = client('alice+web-1', { agent: undefined } as never)
    await once(made, 'ready')
    await expect(
      new Promise((resolve, reject) =>
        made.exec('id', { x11: true }, (error) => (error === undefined ? resolve(0) : reject(error))),
      ),
    ).rejects.toThrow(/X11/i)
  })
})

describe('on a channel of halligan itself', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const heldBytes = () => {
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }

  /** What it costs that `count` times `chunk` is typed at a question, by a client that takes no echo. */
  const typed = async (chunk: Buffer, count: number) => {
    await start({
      runCommand: async (_caller, _argv, io) => {
        await io.ask('? ')
        return 0
      },
    })
    const made = client('alice')
    await once(made, 'ready')
    const protocol = inside(made)._protocol
    const { session } = protocol
    protocol.session = (channel, _window, packetSize) => session.call(protocol, channel, 0, packetSize)
    const channel = await new Promise<ClientChannel>((resolve, reject) =>
      made.exec('ask', { pty: true }, (error, opened) => (error === undefined ? resolve(opened) : reject(error))),
    )
    const before = heldBytes()
    for (let sent = 0; sent < count; sent++) {
      if (!channel.write(chunk)) await once(channel, 'drain')
      if (sent % 1000 === 0) await new Promise<void>((resolve) => setImmediate(resolve))
    }
    // Answered behind all of it.
    await new Promise<void>((resolve, reject) =>
      made.exec('last', (error) => (error === undefined ? resolve() : reject(error))),
    )
    return heldBytes() - before
  }

  test('what is typed and its echo not read costs no memory', async () => {
    expect(await typed(Buffer.from('x\x7f'.repeat(500)), 2_000)).toBeLessThan(100 << 20)
  })
})

test('data of no bytes, which no window bounds, is kept by nobody', () => {
  const channel = new Channel(
    { send: () => undefined, flush: () => undefined },
    { sender: 0, window: 0, packetSize: 32_768 },
  )
  const seen: number[] = []
  channel.listen({
    data: (bytes) => seen.push(bytes.length),
    eof: () => undefined,
    request: () => undefined,
    closed: () => undefined,
  })
  for (const size of [0, 3, 0]) channel.receiveData(Buffer.alloc(size), false)
  expect(seen).toEqual([3])
})

describe.runIf(has('ssh', 'sshd') && hasLoginShell)('keys', () => {
  test('are renewed within a transfer without losing a byte', async () => {
    await start({ rekeyBytes: 1 << 20 })
    await world.grant()
    const input = Buffer.alloc(12 << 20, 'halligan')
    const { stdout, stderr, status } = await run('ssh', [...world.ssh('alice+web-1', '-v'), 'cat'], { input })
    expect(status).toBe(0)
    expect(stdout.equals(input)).toBe(true)
    expect(stderr.match(/rekey|SSH2_MSG_KEXINIT received/g)?.length).toBeGreaterThan(5)
  })

  test('are of the kinds we chose: AES-GCM, curve25519 and strict key exchange', async () => {
    await start()
    await world.grant()
    const { stderr } = await run('ssh', [...world.ssh('alice+web-1', '-v'), 'true'])
    expect(stderr).toMatch(/kex: algorithm: curve25519-sha256/)
    expect(stderr).toMatch(/cipher: aes128-gcm@openssh.com/)
    expect(stderr).toContain('server-sig-algs=<ssh-ed25519,')
  })
})
