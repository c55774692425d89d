import { chmodSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SearchPage } from '../../src/procedure/search.ts'
import { until } from './until.ts'
import { World } from './world.ts'

let world: World
let session = ''

beforeAll(async () => {
  world = await World.start()
})

afterAll(async () => {
  await world?.close()
})

async function search(user: string, ...words: string[]): Promise<SearchPage> {
  const ran = await world.exec([user, 'search', '--json', ...words])
  expect(ran).toMatchObject({ status: 0, stderr: '' })
  return JSON.parse(ran.stdout.toString()) as SearchPage
}

/** Waits until the index has everything that is sealed. */
async function found(user: string, ...words: string[]): Promise<SearchPage> {
  let page: SearchPage | undefined
  await until('all that is sealed is indexed', async () => {
    page = await search(user, ...words)
    return page.isCaughtUp && page.count > 0
  })
  return page as SearchPage
}

test('what the terminal showed is found with its moment; a password that was not echoed is not', async () => {
  const shell = await world.breakGlass('web-1')
  await shell.expect(/ends \d\d:\d\d UTC/)
  shell.type("stty -echo; printf 'Sec''ret: '; read -r word; stty echo; echo len-${#word}\r")
  await shell.expect('Secret: ')
  shell.type('zebracrossing\r')
  await shell.expect('len-13')
  shell.type('echo needle-$((40+2))\r')
  await shell.expect('needle-42')
  shell.type('exit\r')
  await shell.exited

  const { hits, count } = await found('alice', 'needle', '42')
  expect(count).toBe(1)
  expect(hits[0]).toMatchObject({ user: 'alice', target: 'web-1', kind: 'screen' })
  expect(hits[0]?.excerpt.filter((part) => part.isMatch).map((part) => part.text)).toEqual(['needle', '42'])
  expect(hits[0]?.ms).toBeGreaterThan(0)
  session = hits[0]?.session ?? ''
  const kinds = (await search('alice', 'needle')).hits.map((hit) => hit.kind)
  expect(kinds).toContain('typed')
  expect((await search('alice', 'zebracrossing')).count).toBe(0)
  for (const end of ['', '-wal'])
    if (existsSync(join(world.state, `search.db${end}`)))
      expect(readFileSync(join(world.state, `search.db${end}`)).includes('zebracrossing')).toBe(false)
})

test('who oversees finds it, who does not finds nothing, and all of it is in the ledger', async () => {
  await world.signIn('rita')
  await world.signIn('bob')
  expect((await search('rita', 'needle', 'user:alice')).count).toBeGreaterThan(0)
  expect(await search('bob', 'needle', 'user:alice')).toMatchObject({ hits: [], count: 0, isMore: false })
  const text = await world.exec(['rita', 'search', 'needle'])
  expect(text.stdout.toString()).toMatch(new RegExp(`${session}#\\d+ \\+\\d\\d:\\d\\d  alice `))
  expect(text.stdout.toString()).toContain('[needle]')
})

test('without a second factor nothing that was recorded is searched', async () => {
  const ran = await world.exec(['adam', 'search', 'needle'], '')
  expect(ran.status).toBe(77)
  expect(ran.stdout.toString()).toBe('')
})

test('options of other programs are words, and hostile ones find nothing', async () => {
  for (const words of ['rm -rf /', `'"a'`, 'a OR b', '*', '--', 'NEAR\\(', "'\"; drop table entries'"])
    expect((await search('rita', words)).count).toBe(0)
  expect((await search('rita', 'needle')).count).toBeGreaterThan(0)
})

test('a lost index is built anew at the next start, from recordings that verify and no others', async () => {
  const ran = await world.exec(['web-1', 'echo second-needle'])
  expect(ran.status).toBe(0)
  const other = (await found('alice', 'second')).hits[0]?.session ?? ''
  await world.kill()
  for (const end of ['', '-wal', '-shm']) rmSync(join(world.state, `search.db${end}`), { force: true })
  const files = globSync(join(world.demo.recordings, '**', '*.cast.zst'))
  const altered = files.find((file) => basename(file).startsWith(session)) ?? ''
  const bytes = readFileSync(altered)
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
  chmodSync(altered, 0o600)
  writeFileSync(altered, bytes)
  await world.boot()
  await world.signIn('rita')
  const { hits } = await found('rita', 'second', 'needle')
  expect(hits.map((hit) => hit.session)).toContain(other)
  const all = (await search('rita', 'needle')).hits.map((hit) => hit.session)
  expect(all).toContain(other)
  expect(all).not.toContain(session)
})
