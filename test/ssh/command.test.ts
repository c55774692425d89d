import { afterEach, describe, expect, test } from 'vitest'
import type { RunCommand } from '../../src/procedure/command.ts'
import { has } from '../support/clients.ts'
import { run, Terminal } from '../support/terminal.ts'
import { hasLoginShell } from './openssh.ts'
import { startWorld, type World } from './world.ts'

describe.runIf(has('ssh', 'sshd') && hasLoginShell)("one of halligan's own commands", () => {
  let world: World
  const terminals: Terminal[] = []
  const seen: { argv: readonly string[]; target: string | undefined; user: string }[] = []
  afterEach(async () => {
    for (const terminal of terminals.splice(0)) terminal.close()
    seen.length = 0
    await world.close()
  })
  const start = async (runCommand: RunCommand) => {
    world = await startWorld({
      runCommand: (caller, argv, io) => {
        seen.push({ argv, target: caller.target, user: caller.identity.user.name })
        return runCommand(caller, argv, io)
      },
    })
  }

  test('gets its words as a shell would split them, and gives its output and status', async () => {
    await start((_, argv, io) => {
      io.stdout(`${JSON.stringify(argv)}\n`)
      io.stderr('note\n')
      return Promise.resolve(75)
    })
    const { status, stdout, stderr } = await run('ssh', [
      ...world.ssh('alice'),
      `request web-1 --reason 'it is "down"' --for 30m`,
    ])
    expect({ status, stderr }).toEqual({ status: 75, stderr: 'note\n' })
    expect(JSON.parse(stdout.toString())).toEqual(['request', 'web-1', '--reason', 'it is "down"', '--for', '30m'])
    expect(seen).toEqual([
      { argv: ['request', 'web-1', '--reason', 'it is "down"', '--for', '30m'], target: undefined, user: 'alice' },
    ])
  })

  test('is help when there is none', async () => {
    await start(() => Promise.resolve(0))
    expect((await run('ssh', [...world.ssh('alice'), '-T'])).status).toBe(0)
    expect(seen.map(({ argv }) => argv)).toEqual([['help']])
  })

  test('asks on stderr and reads lines of stdin, so that stdout is the result alone', async () => {
    await start(async (_, _argv, io) => {
      const answers = [await io.ask('Code: ', { echo: false }), await io.ask('Reason: '), await io.ask('More: ')]
      io.stdout(`${answers.map(String).join('|')}\n`)
      return 0
    })
    const { stdout, stderr } = await run('ssh', [...world.ssh('alice'), 'dsn orders'], {
      input: '123456\nthe shop is down\n',
    })
    expect({ stdout: stdout.toString(), stderr }).toEqual({
      stdout: '123456|the shop is down|undefined\n',
      stderr: 'Code: Reason: More: ',
    })
  })

  test('on a terminal edits lines, hides what must not be shown, and ends at Ctrl-C', async () => {
    await start(async (_, _argv, io) => {
      const code = await io.ask('Code: ', { echo: false })
      const reason = await io.ask('Reason: ')
      io.stdout(`<${code}|${reason}>\n`)
      await io.ask('Sure? ')
      return io.signal.aborted ? 130 : 0
    })
    const terminal = new Terminal('ssh', ['-tt', ...world.ssh('alice'), 'dsn orders'])
    terminals.push(terminal)
    await terminal.expect('Code: ')
    terminal.type('123456\r')
    await terminal.expect('Reason: ')
    terminal.type('dwn\u007f\u007fown\r')
    await terminal.expect('<123456|down>')
    await terminal.expect('Sure? ')
    terminal.type('\u0003')
    expect(await terminal.exited).toBe(130)
    expect(terminal.screen.split('<')[0]).not.toContain('123456')
  })

  test('refuses files and half-open quotes with status 64', async () => {
    await start(() => Promise.resolve(0))
    const files = await run('sftp', ['-b', '-', '-P', String(world.listener.port), ...world.flags(), 'alice@127.0.0.1'])
    expect(files.status).not.toBe(0)
    expect(files.stderr).toContain('files are copied to and from a target')
    const quote = await run('ssh', [...world.ssh('alice'), "request 'web"])
    expect(quote).toMatchObject({ status: 64, stderr: expect.stringContaining('a quote is not closed') as string })
    expect(seen).toEqual([])
  })

  test('of a PostgreSQL target is dsn or env; a shell there says how', async () => {
    await start((_, argv, io) => {
      io.stdout(`${argv.join(' ')}\n`)
      return Promise.resolve(0)
    })
    await world.grant('orders')
    for (const command of ['dsn', 'env --rotate']) {
      expect((await run('ssh', [...world.ssh('alice+orders'), command])).stdout.toString()).toBe(`${command}\n`)
    }
    expect(seen.map(({ target }) => target)).toEqual(['orders', 'orders'])
    for (const command of ['id', 'dsnx', '']) {
      const refused = await run('ssh', [...world.ssh('alice+orders'), ...(command === '' ? ['-T'] : [command])])
      expect(refused).toMatchObject({
        status: 64,
        stderr: expect.stringContaining('psql "$(ssh alice+orders@BASTION dsn)"') as string,
      })
    }
    expect(world.recorders.size).toBe(0)
  })

  test('that fails says so without its cause', async () => {
    await start(() => Promise.reject(new Error('the password is hunter2')))
    const { status, stderr } = await run('ssh', [...world.ssh('alice'), 'whoami'])
    expect(status).toBe(70)
    expect(stderr).toContain('internal error')
    expect(stderr).not.toContain('hunter2')
  })
})
