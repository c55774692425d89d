import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { SearchPage } from '../../src/procedure/search.ts'
import { orders, writing } from './emergency.ts'
import { startWorld, type World } from './world.ts'

const mine = 'saaaaaaaaaaaa'
const foreign = 'sbbbbbbbbbbbb'
const gone = 'scccccccccccc'
const ended = 'sdddddddddddd'
let world: World

beforeAll(async () => {
  const judged = { ...writing, review: { ...writing.review, by: { groups: ['leads'], roles: [] } } }
  world = await startWorld({ policies: [judged], targets: [orders] })
  await world.grant({ id: 'gdone', policy: judged.name, state: 'awaiting-review', endedAt: 0, reviewDueAt: 0 })
  await world.grant({ id: 'gother', policy: 'another', state: 'awaiting-review', endedAt: 0, reviewDueAt: 0 })
  await world.open({ id: ended, grant: 'gdone' })
  await world.grant({ id: 'g7f3' })
  await world.grant({ id: 'gbob', user: 'bob' })
  await world.open({ id: mine })
  await world.open({ id: foreign, user: 'bob', grant: 'gbob' })
})
afterAll(() => world.close())

const match = (session: string, place: number) => ({
  place,
  session,
  line: 4,
  ms: 2300,
  at: 1_000,
  kind: 'screen' as const,
  excerpt: [{ text: 'needle', isMatch: true }],
})

beforeEach(() => {
  world.matches = [match(mine, 3), match(foreign, 2), match(gone, 1)]
})

async function search(user: string, query: string): Promise<{ status: number; page: SearchPage }> {
  const answer = await world.get(`/api/search?${query}`, await world.signIn(user))
  return { status: answer.status, page: (await answer.json()) as SearchPage }
}

test('an engineer asks for their own recordings alone, and gets no other hit', async () => {
  const { page } = await search('alice', 'q=needle')
  expect(world.asked.at(-1)).toMatchObject({ sees: { kind: 'some', user: 'alice', grants: [] }, before: null })
  expect(page.hits.map(({ session, line, ms }) => [session, line, ms])).toEqual([[mine, 4, 2300]])
  expect(page.hits[0]).toMatchObject({ user: 'alice', target: 'web-1' })
})

for (const user of ['rita', 'adam', 'otto'])
  test(`${user} oversees: every recording is searched, but none that does not exist is shown`, async () => {
    const { page } = await search(user, 'q=needle')
    expect(world.asked.at(-1)).toMatchObject({ sees: { kind: 'all' } })
    expect(page.hits.map(({ session }) => session)).toEqual([mine, foreign])
  })

test('whoever judges grants by a group searches those that have ended, and no others of anybody else', async () => {
  world.matches = [match(mine, 3), match(ended, 2), match(foreign, 1)]
  const { page } = await search('bob', 'q=needle')
  expect(world.asked.at(-1)?.sees).toEqual({ kind: 'some', user: 'bob', grants: ['gdone'] })
  expect(page.hits.map(({ session }) => session)).toEqual([ended, foreign])
})

test('each search is a leaf, with what was typed and how much was told', async () => {
  const before = world.state.leavesWritten.length
  await search('otto', `q=${encodeURIComponent(`needle\u001b[2J ${'x'.repeat(400)}`)}`)
  const leaf = world.state.leavesWritten.slice(before).find((each) => each.type === 'searched')
  expect(leaf).toMatchObject({ by: 'otto', hits: 3 })
  expect(leaf?.type === 'searched' && leaf.query).toMatch(/^needle \[2J x+$/)
  expect(leaf?.type === 'searched' && leaf.query.length).toBe(200)
})

test('a search that asks for nothing finds nothing, and is not taken to the index', async () => {
  const before = world.asked.length
  for (const query of ['', 'q=', 'q=%20', 'q=%22', `q=${'x'.repeat(5000)}`]) {
    const { status, page } = await search('rita', query)
    expect(status).toBe(200)
    expect(page).toMatchObject({ query: null, hits: [], count: 0, cursor: null })
  }
  expect(world.asked.length).toBe(before)
})

test('more than a page has a cursor, and what is no cursor is refused', async () => {
  world.matches = Array.from({ length: 51 }, (_, n) => match(mine, 100 - n))
  const { page } = await search('alice', 'q=needle')
  expect([page.hits.length, page.cursor]).toEqual([50, '51'])
  await search('alice', 'q=needle&cursor=51')
  expect(world.asked.at(-1)).toMatchObject({ before: 51 })
  for (const query of ['cursor=x', 'cursor=-1', 'cursor=9999999999999999', 'cursor=1%27', 'q=a&q=b', 'more=1'])
    expect((await search('alice', `q=needle&${query}`)).status).toBe(400)
})

test('a megabyte in the address is refused, and the next search is answered', async () => {
  const answer = await world.get(`/api/search?q=${'x'.repeat(1 << 20)}`, await world.signIn('alice'))
  expect(answer.status).toBe(431)
  expect((await search('alice', 'q=needle')).status).toBe(200)
})
