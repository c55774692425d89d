// Bad input gets a clear error that says what to do next, hostile input a closed connection, and neither costs anyone else
// anything (P11). Each attempt to enter is a leaf; no code and no secret is anywhere on disk. Timers of silent clients are
// tried on a moved clock (test/ssh/hostile.test.ts, test/postgres/login.test.ts), an override after its wait and approvals
// of one's own in test/procedure/access.test.ts, expired grants in expiry.test.ts, other databases in bypass.test.ts.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { has } from '../support/clients.ts'
import type { Ran, Terminal } from '../support/terminal.ts'
import { eventually, filesWith, leaf, leaves, type Leaf } from './traces.ts'
import { World } from './world.ts'

let world: World
/** What must not be on disk afterwards. */
const secrets = new Set<string>()

beforeAll(async () => {
  world = await World.start()
})

afterAll(async () => {
  await world?.close()
})

/** A code of the user's, remembered for the search at the end. */
async function codeOf(user: string): Promise<string> {
  const code = await world.code(user)
  secrets.add(code)
  return code
}

/** `ssh` with the key of one demo user and any login. */
function login(user: string, name: string, ...options: string[]): Terminal {
  return world.ssh(...options, '-l', name, user)
}

/** Its leaves so far, of these types. */
async function leavesOf(...types: Leaf['type'][]): Promise<Leaf[]> {
  return (await leaves(world.state)).filter(({ type }) => types.includes(type))
}

/** What a terminal shows, without the login names in it. */
function plain(terminal: Terminal, ...names: string[]): string {
  return names.reduce((text, name) => text.replaceAll(name, 'NAME'), terminal.screen)
}

test.runIf(has('ssh'))('an unknown target reads like a refused one, prompt for prompt and word for word', async () => {
  const names = ['rita+web-1', 'rita+nosuch', 'nosuch'] as const
  const terminals = names.map((name) => login('rita', name, '-t'))
  for (const terminal of terminals) await terminal.expect('Code: ')
  const texts = []
  for (const [at, terminal] of terminals.entries()) {
    const name = names[at] ?? ''
    const before = plain(terminal, name)
    // The code of the first is remembered for the others, who are asked nonetheless: they were at the prompt already.
    terminal.type(`${at === 0 ? await codeOf('rita') : ''}\r`)
    if (at > 0) {
      await terminal.expect('Code: ')
      terminal.type(`${await codeOf('rita')}\r`)
    }
    const status = await terminal.exited
    const after = terminal.screen.slice(terminal.screen.lastIndexOf('Code: '))
    texts.push({ before, after: after.replaceAll(/nosuch|web-1/g, 'TARGET'), status })
  }
  expect(texts[0]?.after).toMatch(/halligan: no policy gives you "TARGET"\r\nhint: /)
  for (const text of texts) expect(text).toEqual({ ...texts[0], status: 77 })
  for (const command of [['request'], ['dsn'], ['env']]) {
    const [known, unknown] = [
      await world.exec(['rita', ...command, 'orders']),
      await world.exec(['rita', ...command, 'x']),
    ]
    expect(known.status).toBe(77)
    expect({ ...unknown, stderr: unknown.stderr.replaceAll('"x"', '"orders"') }).toEqual(known)
  }
  const refused = await leavesOf('admission-refused')
  expect(refused.map((one) => (one.type === 'admission-refused' ? one.target : ''))).toEqual(
    expect.arrayContaining(['web-1', 'nosuch', 'orders', 'x']),
  )
})

test.runIf(has('ssh'))('wrong codes say what time it is here, and a code of somebody else is a wrong one', async () => {
  const terminal = world.ssh('web-1')
  await terminal.expect('Code: ')
  terminal.type(`${await codeOf('bob')}\r`)
  const [, time = ''] = await terminal.expect(/wrong code \(it is (\d\d:\d\d:\d\d) UTC here\)/)
  const shown = Date.parse(`${new Date().toISOString().slice(0, 11)}${time}Z`)
  expect(Math.abs(Date.now() - shown) % 86_400_000).toBeLessThan(60_000)
  for (let wrong = 0; wrong < 2; wrong++) {
    await terminal.expect('Code: ')
    terminal.type('12345\r')
  }
  expect(await terminal.exited).toBe(255)
  expect(await leavesOf('mfa-refused')).toMatchObject(
    Array.from({ length: 3 }, () => ({ user: 'alice', reason: 'wrong' })),
  )
  await leaf(
    world.state,
    'login-refused',
    ({ reason, login: name }) => reason === 'no-second-factor' && name === 'alice+web-1',
  )
})

test.runIf(has('ssh'))('who cannot be asked is told on the channel, and no attempt is counted', async () => {
  const before = await leavesOf('mfa-refused')
  const ran = await world.exec(['web-1', 'id'])
  expect(ran).toMatchObject({ status: 77 })
  expect(ran.stdout.toString()).toBe('')
  expect(ran.stderr).toMatch(/^halligan: no code was given\nhint: connect from a terminal/)
  // OpenSSH itself asks nothing in this mode, so that nothing can be said but in its own words.
  const batch = await world.exec(['-o', 'BatchMode=yes', 'web-1', 'id'])
  expect(batch).toMatchObject({ status: 255 })
  expect(batch.stderr).toContain('Permission denied (keyboard-interactive)')
  const empty = world.ssh('web-1')
  for (let round = 0; round < 2; round++) {
    await empty.expect('Code: ')
    empty.type('\r')
  }
  expect(await empty.exited).toBe(77)
  expect(await leavesOf('mfa-refused')).toEqual(before)
  await eventually('three leaves', async () => {
    const refused = await leavesOf('login-refused')
    // One more from the wrong codes above.
    return refused.filter((one) => one.type === 'login-refused' && one.reason === 'no-second-factor').length === 4
      ? true
      : undefined
  })
})

test.runIf(has('ssh'))(
  'a code counts once, whoever sends it first; a script gets 77 where something is missing',
  async () => {
    const [first, second] = [world.ssh('web-1'), world.ssh('web-1')]
    for (const terminal of [first, second]) await terminal.expect('Code: ')
    const code = await codeOf('alice')
    first.type(`${code}\r`)
    await first.expect('Trigger (1 ')
    second.type(`${code}\r`)
    await second.expect(/already used, next in \d+ s/)
    await second.expect('Code: ')
    for (const terminal of [first, second]) terminal.close()
    await leaf(world.state, 'mfa-refused', ({ reason }) => reason === 'replayed')
    const without = await world.exec(['web-1', 'id'])
    expect(without).toMatchObject({ status: 77 })
    expect(without.stderr).toMatch(/the glass on web-1 was not broken.*\nhint: .*request web-1 --reason/)
    const account = await world.exec(['-l', 'alice+root@web-1', 'alice', 'id'])
    expect(account).toMatchObject({ status: 77 })
    expect(account.stderr).toMatch(/no policy gives you the account "root" on "web-1"\nhint: accounts .* deploy/)
    for (const command of [['nonsense'], ['request', 'web-1', '--for', 'ever'], ['show', '"unclosed']])
      expect((await world.exec(['alice', ...command])).status).toBe(64)
  },
)

test.runIf(has('ssh'))('writing to the database waits for somebody else, and a denial stays one', async () => {
  const ask = ['alice', 'request', 'orders', '--account', 'app_readwrite', '--trigger', 'customer-impact', '--json']
  const request = () => world.exec([...ask, '--reason', '"payments are stuck"'])
  const idOf = (ran: Ran) => (JSON.parse(ran.stdout.toString()) as { readonly id: string }).id
  const asked = await request()
  expect(asked).toMatchObject({ status: 75 })
  const grant = idOf(asked)
  const direct = await world.exec(['-l', 'alice+app_readwrite@orders', 'alice', 'dsn'])
  expect(direct).toMatchObject({ status: 75 })
  expect(direct.stdout.toString()).toBe('')
  expect(direct.stderr).toMatch(new RegExp(`${grant} waits for approval[^\\n]*\\nhint: run the same command again`))
  const early = await world.exec([
    'alice',
    'request',
    'orders',
    '--override',
    '--reason',
    '"nobody answers at all at night"',
  ])
  expect(early).toMatchObject({ status: 75 })
  expect(early.stderr).toMatch(/can be overridden in \d+ s/)
  expect(await world.exec(['alice', 'approve', grant])).toMatchObject({ status: 77 })
  expect(await world.exec(['rita', 'approve', grant])).toMatchObject({ status: 77 })
  // One who waits at a terminal goes on when bob has decided.
  const waiting = login('alice', 'alice+app_readwrite@orders', '-t')
  const psql = world.ssh('-t', '-l', 'alice+app_readwrite@orders', 'alice', 'dsn')
  await psql.expect(`${grant} waits for approval`)
  const approved = await world.exec(['bob', 'approve', grant], `${await codeOf('bob')}\n`)
  expect(approved, approved.stderr).toMatchObject({ status: 0 })
  await psql.expect('postgresql://alice:')
  expect(await psql.exited).toBe(0)
  secrets.add(/alice:([\w-]{43})@/.exec(psql.screen)?.[1] ?? '')
  expect(await waiting.exited).toBe(64)
  expect(waiting.screen).toContain('there is no shell on it')
  expect(await world.exec(['bob', 'revoke', grant, '--reason', 'done'])).toMatchObject({ status: 0 })
  const next = idOf(await request())
  expect(await world.exec(['bob', 'deny', next, '--reason', '"ask in the morning"'])).toMatchObject({ status: 0 })
  expect(await world.exec(['bob', 'approve', next])).toMatchObject({ status: 75 })
  const again = idOf(await request())
  expect(again).not.toBe(next)
  const overridden = await world.exec(['alice', 'request', 'orders', '--override', '--reason', `"${'x'.repeat(50)}"`])
  expect(overridden).toMatchObject({ status: 77 })
  expect(overridden.stderr).toContain('cannot be overridden')
})

test.runIf(has('psql'))('psql is told what to run instead, and never asks', async () => {
  await world.grant('orders', '30m')
  const uri = new URL(await world.dsn())
  secrets.add(uri.password)
  const changed = (change: (copy: URL) => void) => {
    const copy = new URL(uri)
    change(copy)
    return copy.href
  }
  const before = (await leavesOf('login-refused')).length
  const wrong = await world.psql(changed((copy) => (copy.password = 'x'.repeat(43))))
  expect(wrong).toMatchObject({ status: 2 })
  expect(wrong.stderr).toMatch(
    /FATAL: {2}no live grant and secret.*\nHINT: {2}get in with: ssh alice\+orders@localhost dsn/,
  )
  const nobody = await world.psql(changed((copy) => (copy.username = 'nobody')))
  expect(nobody.stderr).toContain('HINT:  get in with: ssh nobody+orders@localhost dsn')
  expect(nobody.stderr.replaceAll('nobody', 'alice')).toBe(wrong.stderr)
  const clear = await world.psql(
    changed((copy) => {
      copy.searchParams.set('sslmode', 'disable')
      copy.searchParams.delete('channel_binding')
    }),
  )
  expect(clear.stderr).toMatch(/FATAL: {2}halligan takes connections over TLS only\nHINT: {2}add sslmode=require/)
  await eventually('three leaves', async () =>
    (await leavesOf('login-refused')).length === before + 3 ? true : undefined,
  )
  const stream = await world.psql(`${uri.href}&replication=database`)
  expect(stream.stderr).toContain('replication does not go through halligan')
  expect(await world.psql(uri.href, '-c', 'SELECT 1')).toMatchObject({ status: 0 })
})

/** Sends bytes to a port; gives what came back by the end of the connection. */
async function throwAt(port: number, bytes: Buffer | string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const answer: Buffer[] = []
  socket.on('data', (chunk: Buffer) => answer.push(chunk))
  socket.on('error', () => undefined)
  socket.write(bytes)
  await new Promise((resolve) => socket.once('close', resolve))
  return Buffer.concat(answer).toString('latin1')
}

test.runIf(has('ssh'))('garbage and silence on any port end it there, and others are served meanwhile', async () => {
  const { ssh, postgres, web } = world.demo
  const webPort = Number(new URL(web.url).port)
  const silent: Socket[] = [ssh.port, postgres.port, webPort].map((port) => connect(port, '127.0.0.1'))
  for (const socket of silent) socket.on('error', () => undefined)
  const http = await throwAt(ssh.port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  expect(http).toMatch(/^SSH-2\.0-[^\r\n]*\r\n/)
  expect(http).not.toContain('HTTP')
  expect(await throwAt(postgres.port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')).toBe('')
  expect(await throwAt(postgres.port, randomBytes(100_000))).toBe('')
  // No version line can be in it, so that it is over with the first that is too long.
  await throwAt(ssh.port, Buffer.alloc(100_000, 0xaa))
  await throwAt(ssh.port, Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), randomBytes(100_000)]))
  expect(await throwAt(webPort, Buffer.concat([randomBytes(100_000), Buffer.from('\r\n\r\n')]))).toMatch(
    /^$|^HTTP\/1\.1 400 /,
  )
  await world.grant('web-1', '30m')
  expect((await world.exec(['web-1', 'echo served'])).stdout.toString()).toBe('served\n')
  expect((await fetch(new URL('/', web.url))).status).toBeLessThan(500)
  await leaf(world.state, 'login-refused', ({ protocol, reason }) => protocol === 'postgres' && reason === 'malformed')
  for (const socket of silent) socket.destroy()
})

test.runIf(has('ssh'))('a second start on the same state names the owner and disturbs nothing', async () => {
  const files = ['halligan.yaml', 'ssh_config', 'known_hosts', 'demo.json', 'secrets/web-1-key']
  const read = () => files.map((name) => readFileSync(join(world.state, name), 'utf8'))
  const before = read()
  const second = await world.local('demo', '--state', world.state, '--port-base', '0')
  expect(second).toMatchObject({ status: 75 })
  expect(second.stderr).toMatch(/^halligan: /)
  expect(second.stderr).toContain(String(world.demo.pid))
  expect(read()).toEqual(before)
  expect((await world.exec(['web-1', 'echo served'])).stdout.toString()).toBe('served\n')
})

test.runIf(has('ssh'))(
  'no code, secret or key of anybody is in ledger, journal, recordings, database or log',
  async () => {
    const { users } = world.demo
    for (const { totpSecret } of Object.values(users)) secrets.add(totpSecret)
    expect(secrets.size).toBeGreaterThan(8)
    // Where the demo keeps what its people carry in their pockets.
    const pockets = [join(world.state, 'users'), join(world.state, 'demo.json')]
    for (const secret of secrets) {
      // Six digits may stand within a time or a hash; as a code they stand alone.
      const pattern = /^\d+$/.test(secret) ? new RegExp(`(?<![\\w.])${secret}(?!\\w)`) : secret
      const found = filesWith(world.state, pattern).filter((file) => !pockets.some((pocket) => file.startsWith(pocket)))
      expect(found).toEqual([])
      const logged = world.printed.replaceAll(/Code for alice: \d+ .*/g, '')
      expect(typeof pattern === 'string' ? logged.includes(pattern) : pattern.test(logged)).toBe(false)
    }
  },
)
