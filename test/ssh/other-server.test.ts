import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import ssh2, { type ServerChannel } from 'ssh2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { has } from '../support/clients.ts'
import { run } from '../support/terminal.ts'
import { startWorld, type World } from './world.ts'

describe.runIf(has('ssh'))('a target that is not OpenSSH', () => {
  let world: World
  let server: ssh2.Server
  const closed: string[] = []
  let lost: PromiseWithResolvers<void>
  /** What the target does with a command. */
  let program: (channel: ServerChannel, command: string) => void

  beforeEach(async () => {
    lost = Promise.withResolvers()
    world = await startWorld()
    server = new ssh2.Server({ hostKeys: [readFileSync(world.keys.path('host'))] }, (connection) => {
      connection.on('authentication', (context) => context.accept())
      connection.on('error', () => undefined)
      connection.on('close', () => lost.resolve())
      connection.on('ready', () =>
        connection.on('session', (accept) =>
          accept().on('exec', (acceptExec, _reject, { command }) => {
            const channel = acceptExec()
            channel.resume()
            channel.on('close', () => closed.push(command))
            program(channel, command)
          }),
        ),
      )
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const target = world.targets.find(({ name }) => name === 'web-1')
    Object.assign(target ?? {}, { port: (server.address() as AddressInfo).port })
    await world.grant('web-1')
  })
  afterEach(async () => {
    closed.length = 0
    await world.close()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })

  test('gives its output, error output and status', async () => {
    program = (channel, command) => {
      channel.stderr.write('note\n')
      channel.write(`ran ${command}\n`, () => {
        channel.exit(4)
        channel.end()
      })
    }
    const { status, stdout, stderr } = await run('ssh', [...world.ssh('alice+web-1'), 'report'])
    expect({ status, stdout: stdout.toString(), stderr }).toEqual({
      status: 4,
      stdout: 'ran report\n',
      stderr: 'note\n',
    })
  })

  test('is closed when nobody reads its output any more', async () => {
    program = (channel) => {
      const more = () => {
        while (channel.writable && channel.write(Buffer.alloc(32 << 10, 'y')));
      }
      channel.on('drain', more)
      more()
    }
    const args = world.ssh('alice+web-1').map((word) => `'${word}'`)
    const { stdout } = await run('sh', ['-c', `ssh ${args.join(' ')} endless | head -c 100000 | wc -c`])
    expect(stdout.toString().trim()).toBe('100000')
    await world.ended()
    expect(closed).toEqual(['endless'])
  })

  test('that ends without a status is told from one that did its work', async () => {
    program = (channel) => channel.end('half an answer\n')
    const { status, stdout, stderr } = await run('ssh', [...world.ssh('alice+web-1'), 'report'])
    expect({ status, stdout: stdout.toString() }).toEqual({ status: 69, stdout: 'half an answer\n' })
    expect(stderr).toContain('web-1 closed the session')
  })

  test('that sends beyond the window loses the connection, and the session says so', async () => {
    program = (channel) => {
      const { outgoing } = channel as unknown as { outgoing: { window: number } }
      outgoing.window = 2 ** 31
      channel.write(Buffer.alloc(32 << 20, 'y'))
    }
    const running = run('ssh', [...world.ssh('alice+web-1'), 'flood'])
    while (world.recorders.size === 0) await new Promise<void>((resolve) => setImmediate(resolve))
    world.recorder().isHeld = true
    await lost.promise
    expect(world.recorder().stream('o').length).toBeLessThan(4 << 20)
    world.recorder().release()
    const { status } = await running
    expect(status).toBe(69)
  })
})
