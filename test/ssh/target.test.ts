import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { has } from '../support/clients.ts'
import { run, Terminal } from '../support/terminal.ts'
import { hasLoginShell } from './openssh.ts'
import { startWorld, type World } from './world.ts'

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

describe.runIf(has('ssh', 'sshd') && hasLoginShell)('a session on an OpenSSH server', () => {
  let world: World
  beforeEach(async () => {
    world = await startWorld()
    await world.grant('web-1')
  })
  afterEach(() => world.close())

  const ssh = (command: string, input: Buffer | string = '', ...flags: string[]) =>
    run('ssh', [...world.ssh('alice+web-1', ...flags), command], { input })

  test('exec gives output, error output and exit status', async () => {
    const { status, stdout, stderr } = await ssh('echo out; echo err >&2; exit 3')
    expect({ status, stdout: stdout.toString(), stderr }).toEqual({ status: 3, stdout: 'out\n', stderr: 'err\n' })
    const [{ end } = { end: undefined }] = await world.ended()
    expect(end).toMatchObject({ reason: 'exited', exitStatus: 3, code: null })
    expect(world.recorder().stream('o').toString()).toBe('out\n')
    expect(world.recorder().stream('e').toString()).toBe('err\n')
  })

  test('a program killed by a signal ends the client as it would directly', async () => {
    const { status, stderr } = await ssh('kill -TERM $$')
    expect(status).toBe(255)
    const [{ end } = { end: undefined }] = await world.ended()
    expect(end?.exitStatus).toBe('SIGTERM')
    expect(stderr).toBe('')
  })

  test('binary input and output pass unchanged and are recorded', async () => {
    const input = randomBytes(700_000)
    const { stdout } = await ssh('cat', input)
    expect(sha256(stdout)).toBe(sha256(input))
    await world.ended()
    expect(sha256(world.recorder().stream('i'))).toBe(sha256(input))
    expect(sha256(world.recorder().stream('o'))).toBe(sha256(input))
  })

  test('bulk is recorded as running hashes of the whole stream', async () => {
    const input = randomBytes(9_000_000)
    const { stdout } = await ssh('cat', input)
    expect(sha256(stdout)).toBe(sha256(input))
    await world.ended()
    const hashes = world.recorder().facts('h') as { stream: string; offset: number; length: number; sha256: string }[]
    for (const stream of ['i', 'o']) {
      const last = hashes.filter((hash) => hash.stream === stream).at(-1)
      expect(last?.sha256).toBe(sha256(input))
      expect((last?.offset ?? 0) + (last?.length ?? 0)).toBe(input.length)
    }
    expect(world.recorder().stream('i').length).toBeLessThan(2_000_000)
  })

  test('the end of input reaches the target, and its answer comes back after it', async () => {
    const { stdout, status } = await ssh('wc -c; echo done', 'x'.repeat(300_000))
    expect({ stdout: stdout.toString().trim(), status }).toEqual({ stdout: '300000\ndone', status: 0 })
  })

  test('a reader that stops early ends the program on the target', async () => {
    const args = world
      .ssh('alice+web-1')
      .map((word) => `'${word}'`)
      .join(' ')
    const { status, stdout } = await run('sh', [
      '-c',
      `ssh ${args} 'cat /dev/zero; echo never >&2' | head -c 100000 | wc -c`,
    ])
    expect({ status, count: stdout.toString().trim() }).toEqual({ status: 0, count: '100000' })
    await world.ended()
  })

  test('environment goes through to what the target accepts', async () => {
    const { stdout } = await run(
      'ssh',
      [...world.ssh('alice+web-1', '-o', 'SendEnv=HALLIGAN_*'), 'echo $HALLIGAN_PROOF'],
      {
        env: { PATH: process.env['PATH'] ?? '', HALLIGAN_PROOF: 'seen' },
      },
    )
    expect(stdout.toString()).toBe('seen\n')
    expect(world.recorder().facts('c')).toContainEqual({ type: 'env', name: 'HALLIGAN_PROOF', value: 'seen' })
  })

  test('a shell on a terminal has its size, its changes of size, and its modes', async () => {
    const terminal = new Terminal('ssh', ['-tt', ...world.ssh('alice+web-1')], { cols: 97, rows: 31 })
    try {
      await terminal.expect(/recorded, grant g\w+, ends \d\d:\d\d UTC \(\d+ min\)/)
      terminal.type('stty size; echo ready-$((1+1))\r')
      await terminal.expect('31 97')
      await terminal.expect('ready-2')
      terminal.resize(120, 40)
      terminal.type('stty size\r')
      await terminal.expect('40 120')
      terminal.type('exit 7\r')
      expect(await terminal.exited).toBe(7)
    } finally {
      terminal.close()
    }
    await world.ended()
    expect(world.recorder().facts('r')).toContain('120x40')
    expect(world.recorder().stream('i').toString()).toContain('stty size; echo ready-$((1+1))\r')
    expect(world.recorder().facts('c')).toContainEqual(expect.objectContaining({ type: 'pty-req' }))
  })

  test.for([
    { name: 'sftp mode', flags: [] },
    { name: 'the old protocol', flags: ['-O'] },
  ])('scp copies both ways in $name', async ({ flags }) => {
    const content = randomBytes(5_000_000)
    writeFileSync(world.keys.path('up'), content)
    const base = [...flags, '-q', '-P', String(world.listener.port), ...world.flags()]
    const remote = `alice+web-1@127.0.0.1:${world.keys.path('there')}`
    expect((await run('scp', [...base, world.keys.path('up'), remote])).stderr).toBe('')
    expect(sha256(readFileSync(world.keys.path('there')))).toBe(sha256(content))
    expect((await run('scp', [...base, remote, world.keys.path('down')])).stderr).toBe('')
    expect(sha256(readFileSync(world.keys.path('down')))).toBe(sha256(content))
    await world.ended(2)
  })

  test('sftp lists and renames', async () => {
    writeFileSync(world.keys.path('before'), 'content')
    const batch = `rename ${world.keys.path('before')} ${world.keys.path('after')}\nls ${world.keys.path('.')}\n`
    const { status, stdout } = await run(
      'sftp',
      ['-b', '-', '-P', String(world.listener.port), ...world.flags(), 'alice+web-1@127.0.0.1'],
      { input: batch },
    )
    expect(status).toBe(0)
    expect(stdout.toString()).toContain('after')
    expect(readFileSync(world.keys.path('after'), 'utf8')).toBe('content')
  })

  test('a second channel of one connection is a session and a dial of its own', async () => {
    const control = ['-o', `ControlPath=${world.keys.path('control')}`]
    const master = new Terminal('ssh', [...world.ssh('alice+web-1', '-M', '-tt', ...control)])
    try {
      await master.expect('recorded, grant')
      const second = await run('ssh', [...world.ssh('alice+web-1', ...control), 'echo second'])
      expect(second.stdout.toString()).toBe('second\n')
      expect(world.recorders.size).toBe(2)
      expect(world.sshd.connections()).toBe(2)
      master.type('exit\r')
      await master.exited
    } finally {
      master.close()
    }
    await world.ended(2)
  })
})

describe.runIf(has('ssh', 'sshd') && hasLoginShell)('a session in the real journal', () => {
  let world: World
  beforeEach(async () => {
    world = await startWorld({ hasJournal: true, bulk: 'full' })
    await world.grant('web-1')
  })
  afterEach(() => world.close())

  test('is kept byte for byte, text and bulk', async () => {
    const input = randomBytes(5_000_000)
    const { stdout } = await run('ssh', [...world.ssh('alice+web-1'), 'cat; echo über >&2'], { input })
    expect(sha256(stdout)).toBe(sha256(input))
    const [ended] = await world.ended()
    const session = ended?.session ?? ''
    expect(sha256(await world.journaled(session, 'i'))).toBe(sha256(input))
    expect(sha256(await world.journaled(session, 'o'))).toBe(sha256(input))
    expect((await world.journaled(session, 'e')).toString()).toBe('über\n')
  })

  test('on a terminal is kept as it was typed and shown', async () => {
    await world.grant('console')
    const terminal = new Terminal('ssh', ['-tt', ...world.ssh('alice+console')])
    try {
      await terminal.expect('console> ')
      terminal.type('echo typed-$((1+1))\r')
      await terminal.expect('typed-2')
      terminal.type('exit 4\r')
      expect(await terminal.exited).toBe(4)
    } finally {
      terminal.close()
    }
    const [ended] = await world.ended()
    const session = ended?.session ?? ''
    expect((await world.journaled(session, 'i')).toString()).toBe('echo typed-$((1+1))\rexit 4\r')
    expect((await world.journaled(session, 'o')).toString()).toContain('typed-2\r\n')
  })
})
