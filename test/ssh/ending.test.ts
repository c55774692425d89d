import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { has } from '../support/clients.ts'
import { run, Terminal } from '../support/terminal.ts'
import { hasLoginShell } from './openssh.ts'
import { startWorld, type World } from './world.ts'

describe.runIf(has('ssh', 'sshd') && hasLoginShell)('a session ends', () => {
  let world: World
  const terminals: Terminal[] = []
  beforeEach(async () => {
    world = await startWorld()
  })
  afterEach(async () => {
    for (const terminal of terminals.splice(0)) terminal.close()
    await world.close()
  })

  const shell = async (login = 'alice+web-1') => {
    const terminal = new Terminal('ssh', ['-tt', ...world.ssh(login)])
    terminals.push(terminal)
    await terminal.expect('recorded, grant')
    return terminal
  }
  const only = () => {
    const [session] = world.registry.sessions()
    if (session === undefined) throw new Error('no session')
    return session
  }

  test('within a second when it is killed, with who and why, and the program on the target is gone', async () => {
    await world.grant()
    const terminal = await shell()
    terminal.type('echo pid-$$; exec sleep 3600\r')
    const pid = Number((await terminal.expect(/pid-(\d+)/))[1])
    const before = performance.now()
    world.registry.endSession(only().id, { reason: 'killed', code: 'killed', message: 'killed by adam: wrong host' })
    await terminal.expect('halligan: killed by adam: wrong host')
    expect(await terminal.exited).toBe(130)
    expect(performance.now() - before).toBeLessThan(1000)
    await gone(pid)
  })

  test('when its grant is revoked, on every channel, and a new channel of the old connection opens nothing', async () => {
    const grant = await world.grant()
    const control = ['-o', `ControlPath=${world.keys.path('control')}`]
    const master = new Terminal('ssh', [...world.ssh('alice+web-1', '-M', '-N', ...control)])
    terminals.push(master)
    await connected(control)
    const running = run('ssh', [...world.ssh('alice+web-1', ...control), 'echo started; sleep 3600'])
    while (world.recorders.size === 0 || !world.recorder().stream('o').includes('started')) await turn()
    world.registry.endGrant(grant.id, { reason: 'revoked', code: 'denied', message: 'revoked by bob: over' })
    expect(await running).toMatchObject({
      status: 77,
      stderr: expect.stringContaining('revoked by bob: over') as string,
    })
    const late = await run('ssh', [...world.ssh('alice+web-1', ...control), 'id'])
    expect(late).toMatchObject({ status: 77, stderr: expect.stringContaining('no live grant') as string })
    expect(late.stdout.toString()).toBe('')
    expect(world.refusals).toEqual(['no-grant'])
    expect(world.sshd.connections()).toBe(1)
  })

  test('with a clear message when it cannot be recorded, and the target got nothing unrecorded', async () => {
    await world.grant()
    const terminal = await shell()
    terminal.type('stty -echo; echo quiet-$((1+1))\r')
    await terminal.expect('quiet-2')
    world.recorder().fail()
    terminal.type(`touch ${world.keys.path('unrecorded')}\r`)
    await terminal.expect('halligan: ')
    expect(await terminal.exited).toBe(75)
    const { status } = await run('test', ['-e', world.keys.path('unrecorded')])
    expect(status).toBe(1)
  })

  test('when the client goes away, and the target is let go', async () => {
    await world.grant()
    const terminal = await shell()
    terminal.type('echo pid-$$\r')
    const pid = Number((await terminal.expect(/pid-(\d+)/))[1])
    terminal.close()
    const [ended] = await world.ended()
    expect(ended?.end.reason).toBe('client-closed')
    await gone(pid)
  })

  test('before it began when the target shows another host key; nothing is sent to it', async () => {
    await world.grant('moved-1')
    const { status, stdout, stderr } = await run('ssh', [...world.ssh('alice+moved-1'), 'id'])
    expect({ status, stdout: stdout.toString() }).toEqual({ status: 69, stdout: '' })
    expect(stderr).toMatch(/another host key \(SHA256:/)
    expect((await world.ended())[0]?.end.code).toBe('host_key_mismatch')
  })

  test('before it began when the target is down', async () => {
    await world.grant('down-1')
    const { status, stderr } = await run('ssh', [...world.ssh('alice+down-1'), 'id'])
    expect(status).toBe(69)
    expect(stderr).toMatch(/down-1 cannot be reached \(ECONNREFUSED\)\r?\nhint: /)
  })

  test('input waits for the disk: the target has it only when it is durable', async () => {
    await world.grant()
    const terminal = await shell()
    terminal.type('stty -echo; echo quiet-$((1+1))\r')
    await terminal.expect('quiet-2')
    world.recorder().isHeld = true
    terminal.type(`echo held > ${world.keys.path('effect')}\r`)
    // Another session of the same bastion does a whole round trip meanwhile.
    expect(
      (
        await run('ssh', [...world.ssh('alice+web-1'), `test -e ${world.keys.path('effect')} || echo absent`])
      ).stdout.toString(),
    ).toBe('absent\n')
    ;[...world.recorders.values()][0]?.release()
    while ((await run('test', ['-s', world.keys.path('effect')])).status !== 0);
  })

  test('warnings reach a terminal, and nothing is added to a stream without one', async () => {
    const grant = await world.grant()
    const terminal = await shell()
    const running = run('ssh', [...world.ssh('alice+web-1'), 'echo started; read line; echo $line'], {
      input: 'over\n',
    })
    while (world.recorders.size < 2) await turn()
    world.registry.notice(grant.id, 'grant ends in 10 min')
    await terminal.expect('halligan: grant ends in 10 min')
    const { stdout, stderr } = await running
    expect({ stdout: stdout.toString(), stderr }).toEqual({ stdout: 'started\nover\n', stderr: '' })
    terminal.type("printf '\\033[?1049h'; echo screen-$((1+1))\r")
    await terminal.expect('screen-2')
    world.registry.notice(grant.id, 'grant ends in 5 min')
    await terminal.expect('\u001b]2;halligan: grant ends in 5 min\u0007')
  })

  const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

  async function connected(control: string[]): Promise<void> {
    while ((await run('ssh', [...world.ssh('alice+web-1', ...control), '-O', 'check'])).status !== 0);
  }

  /** Resolves when no such process is left. */
  async function gone(pid: number): Promise<void> {
    while ((await run('test', ['-d', `/proc/${pid}`])).status === 0);
  }
})
