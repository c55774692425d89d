import { afterEach, describe, expect, test } from 'vitest'
import { has } from '../support/clients.ts'
import { run, Terminal } from '../support/terminal.ts'
import { hasLoginShell } from './openssh.ts'
import { REASON, startWorld, type World, type WorldOptions } from './world.ts'

describe.runIf(has('ssh', 'sshd') && hasLoginShell)('a login', () => {
  let world: World
  const terminals: Terminal[] = []
  afterEach(async () => {
    for (const terminal of terminals.splice(0)) terminal.close()
    await world.close()
  })

  const start = async (options: WorldOptions = {}) => {
    world = await startWorld(options)
    return world
  }
  const client = (login: string, ...more: string[]) => {
    const terminal = new Terminal('ssh', [...world.ssh(login), ...more])
    terminals.push(terminal)
    return terminal
  }

  test('asks for the code, then what breaking the glass needs, then opens the shell', async () => {
    await start()
    const terminal = client('alice+web-1')
    await terminal.expect('Code: ')
    const code = world.code()
    terminal.type(`${code}\r`)
    await terminal.expect('Break the glass on web-1 for 30m? Self-activation, everyone is told.')
    await terminal.expect('Trigger (1 customer-impact, 2 security-incident) [1]: ')
    terminal.type('2\r')
    await terminal.expect('Reason: ')
    terminal.type(`${REASON}\r`)
    await terminal.expect('recorded, grant')
    terminal.type('echo in-$((1+1)); exit\r')
    await terminal.expect('in-2')
    expect(await terminal.exited).toBe(0)
    expect(terminal.screen).not.toContain(code)
    const [grant] = await world.state.grants({ user: 'alice' })
    expect(grant).toMatchObject({ state: 'active', trigger: 'security-incident', reason: REASON, target: 'web-1' })
  })

  test('is not asked again while it is remembered, for another program or target', async () => {
    await start()
    await world.grant('web-1')
    expect(
      (await run('ssh', [...world.ssh('alice+web-1', '-o', 'BatchMode=yes'), 'echo again'])).stdout.toString(),
    ).toBe('again\n')
    const terminal = client('alice+console', '-t')
    await terminal.expect('Break the glass on console')
    expect(terminal.screen).not.toContain('Code:')
  })

  test('says what time it is here when the code is wrong', async () => {
    await start()
    const terminal = client('alice+web-1')
    await terminal.expect('Code: ')
    terminal.type('000000\r')
    await terminal.expect(/wrong code \(it is \d\d:\d\d:\d\d UTC here\)/)
    await terminal.expect('Code: ')
    terminal.type(`${world.code()}\r`)
    await terminal.expect('Break the glass')
  })

  test('replayed codes are named as such', async () => {
    await start({ change: (policy) => ({ ...policy, mfa: { methods: ['totp'], rememberMs: 0 } }) })
    const spent = world.code()
    for (const want of ['Break the glass', 'already used, next in']) {
      const terminal = client('alice+web-1')
      await terminal.expect('Code: ')
      terminal.type(`${spent}\r`)
      await terminal.expect(want)
    }
  })

  test('with wrong codes ends, and each is counted', async () => {
    await start()
    const terminal = client('alice+web-1')
    for (let asked = 0; asked < 3; asked++) {
      await terminal.expect('Code: ')
      terminal.type('000000\r')
    }
    expect(await terminal.exited).toBe(255)
    expect(world.state.leaves.filter(({ type }) => type === 'mfa-refused')).toHaveLength(3)
    expect(world.refusals).toEqual(['no-second-factor'])
  })

  test('an empty answer is no attempt, and who cannot be asked is told so with status 77', async () => {
    await start()
    const { status, stderr, stdout } = await run('ssh', [...world.ssh('alice+web-1'), 'id'])
    expect({ status, stdout: stdout.toString() }).toEqual({ status: 77, stdout: '' })
    expect(stderr).toContain('no code was given')
    expect(stderr).toContain('hint: ')
    expect(world.state.leaves).toEqual([])
    expect(world.refusals).toEqual(['no-second-factor'])
    expect(world.sshd.connections()).toBe(0)
  })

  test('that ends before a code is given leaves a trace, and so does a key that nobody has, once', async () => {
    await start()
    const terminal = client('alice+web-1')
    await terminal.expect('Code: ')
    terminal.close()
    await expect.poll(() => world.refusals).toEqual(['no-second-factor'])
    const stranger = (login: string) =>
      world.ssh(login).map((word) => (word === world.keys.path('alice') ? world.keys.path('stranger') : word))
    for (const login of ['alice+web-1', 'nobody+web-1'])
      expect(await run('ssh', stranger(login))).toMatchObject({ status: 255 })
    await expect.poll(() => world.refusals).toEqual(['no-second-factor', 'unknown-key', 'unknown-user'])
  })

  test('of somebody without a second factor is told so with status 78', async () => {
    await start()
    const flags = world
      .ssh('bob+web-1')
      .map((word) => (word === world.keys.path('alice') ? world.keys.path('bob') : word))
    const terminal = new Terminal('ssh', flags)
    terminals.push(terminal)
    await terminal.expect('Code: ')
    terminal.type('123456\r')
    await terminal.expect('bob has no second factor enrolled')
    expect(await terminal.exited).toBe(78)
  })

  test.for([
    { name: 'an unknown target', login: 'alice+nowhere' },
    { name: 'a target without policy', login: 'alice+secret-1' },
    { name: 'an unknown target alone', login: 'nowhere' },
  ])('to $name reads the same until the code is given, and is refused on the channel', async ({ login }) => {
    await start()
    const terminal = client(login)
    await terminal.expect('Code: ')
    expect(terminal.screen).not.toContain('Break')
    terminal.type(`${world.code()}\r`)
    await terminal.expect(/no policy gives you "[\w-]+"/)
    expect(await terminal.exited).toBe(77)
    expect(world.sshd.connections()).toBe(0)
    expect(world.recorders.size).toBe(0)
  })

  test('asks again, saying why, when the reason is too short', async () => {
    await start()
    const terminal = client('web-1')
    await terminal.expect('Code: ')
    terminal.type(`${world.code()}\r`)
    await terminal.expect('[1]: ')
    terminal.type('\r')
    await terminal.expect('Reason: ')
    terminal.type('short\r')
    await terminal.expect(/15/)
    await terminal.expect('Reason: ')
    terminal.type(`${REASON}\r`)
    await terminal.expect('recorded, grant')
  })

  test('that answers nothing breaks no glass', async () => {
    await start({ change: (policy) => ({ ...policy, triggers: [{ name: 'customer-impact' }] }) })
    const terminal = client('alice+web-1', 'id')
    await terminal.expect('Code: ')
    terminal.type(`${world.code()}\r`)
    await terminal.expect('Reason: ')
    terminal.type('\r')
    await terminal.expect('nothing was answered')
    expect(await terminal.exited).toBe(77)
    expect(await world.state.grants({})).toEqual([])
  })

  test('that needs an approval answers a script with 75 and lets a person wait', async () => {
    const rule = { when: {}, required: 1, from: { groups: ['oncall'], roles: [] }, override: null }
    await start({ change: (policy) => ({ ...policy, approval: [rule] }) })
    const requested = await world.grant('web-1')
    expect(requested.state).toBe('requested')
    const script = await run('ssh', [...world.ssh('alice+web-1', '-o', 'BatchMode=yes'), 'id'])
    expect(script.status).toBe(75)
    expect(script.stderr).toContain(requested.id)
    const person = client('alice+web-1')
    await person.expect('waits for approval')
    const impatient = client('alice+web-1')
    await impatient.expect('waits for approval')
    impatient.type('\u0003')
    expect(await impatient.exited).toBe(75)
    await world.activate(requested)
    await person.expect('recorded, grant')
  })

  test.for([
    { name: "somebody else's name", login: 'bob+web-1', key: 'alice', reason: 'unknown-key' },
    { name: 'a key nobody knows', login: 'alice+web-1', key: 'stranger', reason: undefined },
    { name: 'a name that is not of the grammar', login: 'alice+web-1+orders', key: 'alice', reason: 'malformed' },
  ])('with $name is refused', async ({ login, key, reason }) => {
    await start()
    const args = world.ssh(login).map((word) => (word === world.keys.path('alice') ? world.keys.path(key) : word))
    const { status, stdout } = await run('ssh', [...args, 'id'])
    expect({ status, stdout: stdout.toString() }).toEqual({ status: 255, stdout: '' })
    if (reason === 'malformed') expect(world.refusals).toContain('malformed')
    expect(world.sshd.connections()).toBe(0)
  })
})
