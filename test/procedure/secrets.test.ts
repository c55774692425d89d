import { expect, test } from 'vitest'
import type { Grant } from '../../src/access/grant.ts'
import { deriveScramKeys } from '../../src/pgwire/scram.ts'
import { dsn, envLines } from '../../src/procedure/dsn.ts'
import { ProcedureWorld } from './world.ts'

const login = { user: 'alice', target: 'orders', database: null, address: '10.0.0.1' }

async function opened() {
  const world = await ProcedureWorld.open()
  const alice = await world.proven('alice')
  const grant = await world.access.request(alice, { target: 'orders', reason: 'slow orders' })
  return { world, alice, grant }
}

test('a secret lets in its user, target, database and address, and nobody else', async () => {
  const { world, alice, grant } = await opened()
  await using _ = world
  const { secret } = await world.secrets.issue(alice, grant, { database: null, rotate: false })
  const { salt, iterations } = world.secrets.scram('alice', 'orders')
  const keys = await deriveScramKeys(secret, salt, iterations)
  const [found] = await world.secrets.candidates(login)
  expect(found?.storedKey.equals(keys.storedKey)).toBe(true)
  for (const other of [
    { address: '10.0.0.2' },
    { address: '2001:db8::1' },
    { user: 'bob' },
    { target: 'web-1' },
    { database: 'analytics' },
  ])
    expect(await world.secrets.candidates({ ...login, ...other })).toEqual([])
  expect(await world.secrets.candidates({ ...login, database: 'shop' })).toHaveLength(1)
})

test('a secret never used is dead after ten minutes; one that was used lives as long as its grant', async () => {
  const { world, alice, grant } = await opened()
  await using _ = world
  await world.secrets.issue(alice, grant, { database: null, rotate: false })
  await world.secrets.issue(alice, grant, { database: null, rotate: false })
  const [first] = await world.secrets.candidates(login)
  if (first === undefined) throw new Error('no secret')
  await world.secrets.use(first, login)
  world.clock.advance(11 * 60_000)
  expect((await world.secrets.candidates(login)).map(({ id }) => id)).toEqual([first.id])
  world.clock.advance(20 * 60_000)
  expect(await world.secrets.candidates(login)).toEqual([])
  await expect(world.secrets.use(first, login)).rejects.toMatchObject({ code: 'no_grant' })
  await expect.poll(async () => (await world.state.grant(grant.id))?.state).toBe('awaiting-review')
})

test('a fifth secret ends the oldest, rotation ends all others', async () => {
  const { world, alice, grant } = await opened()
  await using _ = world
  for (let at = 0; at < 4; at++) {
    world.clock.advance(1000)
    expect((await world.secrets.issue(alice, grant, { database: null, rotate: false })).ended).toBe(0)
  }
  expect((await world.secrets.issue(alice, grant, { database: null, rotate: false })).ended).toBe(1)
  expect(await world.secrets.candidates(login)).toHaveLength(4)
  expect((await world.secrets.issue(alice, grant, { database: null, rotate: true })).ended).toBe(4)
  expect(await world.secrets.candidates(login)).toHaveLength(1)
})

test('nobody gets a secret without a second factor, for a grant of another, or for one that has ended', async () => {
  const { world, alice, grant } = await opened()
  await using _ = world
  const options = { database: null, rotate: false }
  await expect(world.secrets.issue(world.as('alice', '10.9.9.9'), grant, options)).rejects.toMatchObject({
    code: 'mfa_required',
  })
  await expect(world.secrets.issue(await world.proven('bob'), grant, options)).rejects.toMatchObject({
    code: 'no_grant',
  })
  world.registry.endGrant(grant.id, { reason: 'revoked', code: 'killed', message: 'x' })
  await expect(world.secrets.issue(alice, grant, options)).rejects.toMatchObject({ code: 'no_grant' })
})

test('a secret for a database that target or grant does not have is refused when it is asked for', async () => {
  const { world, alice, grant } = await opened()
  await using _ = world
  const ask = (database: string | null, over: Partial<Grant> = {}) =>
    world.secrets.issue(alice, { ...grant, ...over }, { database, rotate: false })
  await expect(ask('postgres')).rejects.toMatchObject({ code: 'denied' })
  await expect(ask('analytics', { databases: ['shop'] })).rejects.toMatchObject({ code: 'denied' })
  await expect(ask(null, { databases: ['analytics'] })).rejects.toMatchObject({ code: 'denied' })
  await expect(ask('analytics', { databases: ['analytics'] })).resolves.toBeDefined()
})

test('the salt of a login that does not exist is as steady as that of one that does', async () => {
  const { world } = await opened()
  await using _ = world
  expect(world.secrets.scram('nobody', 'nowhere')).toEqual(world.secrets.scram('nobody', 'nowhere'))
  expect(world.secrets.scram('nobody', 'nowhere').salt).not.toEqual(world.secrets.scram('alice', 'orders').salt)
})

test('dsn and env quote what a shell or a URI would read differently', () => {
  const parts = {
    host: 'bastion',
    port: 6432,
    user: 'alice',
    secret: 'x_y-z',
    database: 'orders/analytics',
    caFile: null,
  }
  expect(dsn(parts)).toBe(
    'postgresql://alice:x_y-z@bastion:6432/orders%2Fanalytics?sslmode=require&channel_binding=require&sslrootcert=halligan-none&connect_timeout=120',
  )
  expect(dsn({ ...parts, caFile: '/etc/a b.crt' })).toContain(
    'sslmode=verify-full&channel_binding=require&sslrootcert=%2Fetc%2Fa%20b.crt',
  )
  expect(envLines({ ...parts, caFile: "/it's/ca.crt" })).toContain(`export PGSSLROOTCERT='/it'\\''s/ca.crt'\n`)
})
