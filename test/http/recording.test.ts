import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SessionPage } from '../../src/http/api.ts'
import { openFile } from '../../src/http/recording-lines.ts'
import type { LineBody } from '../../src/recording/event-line.ts'
import { startWorld, type World } from './world.ts'

let world: World
let cookie: string
const id = 'saaaaaaaaaaaa'
const out = (text: string): LineBody => ({ kind: 'bytes', stream: 'o', bytes: Buffer.from(text) })

beforeAll(async () => {
  world = await startWorld()
  cookie = await world.signIn('rita')
  await world.grant({ id: 'g7f3' })
  await world.open({ id })
  world.record(id, 1_000_000, out('one'))
  world.record(id, 2_500_000, out('two'))
  await world.end(id)
})
afterAll(() => world.close())

const views = () => world.state.leavesWritten.filter((leaf) => leaf.type === 'session-viewed')

test('lines come as recorded, by range of seq, and the view is a leaf first', async () => {
  const before = views().length
  const answer = await world.get(`/api/sessions/${id}/lines`, cookie)
  expect(answer.headers.get('content-type')).toContain('application/x-ndjson')
  expect(answer.headers.get('x-halligan-recording')).toBe('journal')
  const lines = (await answer.text()).trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { version: 3, term: { type: 'xterm-256color', cols: 80, rows: 24 } },
    [1, 'o', 'one'],
    [1.5, 'o', 'two'],
    [0.001, 'n', { kind: 'end', reason: 'exited', message: 'exited with 0' }],
  ])
  expect(views().slice(before)).toEqual([{ type: 'session-viewed', session: id, by: 'rita', how: 'replay' }])
  const range = await world.get(`/api/sessions/${id}/lines?from=1&to=2`, cookie)
  expect(await range.text()).toBe('[1,"o","one"]\n')
  expect((await world.get(`/api/sessions/${id}/lines?from=-1`, cookie)).status).toBe(400)
})

test('the file cannot be downloaded before it is sealed, and then comes as an attachment', async () => {
  const early = await world.get(`/api/sessions/${id}/recording`, cookie)
  expect(early.status).toBe(409)
  await world.seal(id)
  const answer = await world.get(`/api/sessions/${id}/recording`, cookie)
  expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="${id}.cast.zst"`)
  expect(answer.headers.get('content-type')).toBe('application/zstd')
  expect(await answer.text()).toBe(`file of ${id}`)
  expect(views().at(-1)).toMatchObject({ how: 'download' })
})

test('a file is opened when it is sent and not while its view is noted: nobody would hear that it cannot be', async () => {
  let opens = 0
  const file = () => {
    opens++
    return Readable.from([])
  }
  const sealed = { kind: 'sealed', lines: async function* () {}, file, sizeBytes: 0, contentBytes: 0 } as const
  const session = await world.state.session(id)
  if (session === undefined) throw new Error('no session')
  const { stream } = await openFile({ recordings: { open: async () => sealed } }, session)
  expect(opens).toBe(0)
  stream().destroy()
  expect(opens).toBe(1)
})

test('a recording that does not verify is not shown: only what was found', async () => {
  const bad = 'sbbbbbbbbbbbb'
  await world.open({ id: bad })
  world.record(bad, 5, out('secret of the altered file'))
  await world.end(bad)
  await world.seal(bad)
  world.findings.set(bad, { finding: 'content_altered', message: 'frame 3 (events 40 to 61) was altered' })
  const before = views().length
  for (const path of ['lines', 'recording']) {
    const answer = await world.get(`/api/sessions/${bad}/${path}`, cookie)
    expect(answer.status).toBe(409)
    const text = await answer.text()
    expect(JSON.parse(text)).toMatchObject({ code: 'recording_altered', finding: 'content_altered' })
    expect(text).not.toContain('secret')
  }
  expect(views().length).toBe(before)
})

test('a view that cannot be written down shows nothing', async () => {
  const other = await startWorld()
  const rita = await other.signIn('rita')
  await other.grant({ id: 'g7f3' })
  await other.open({ id })
  other.record(id, 1, out('content'))
  const commit = other.state.commit.bind(other.state)
  other.state.commit = () => Promise.reject(new Error('disk is gone'))
  const answer = await other.get(`/api/sessions/${id}/lines`, rita)
  expect(answer.status).toBe(500)
  expect(await answer.text()).not.toContain('content')
  other.state.commit = commit
  expect((await other.get(`/api/sessions/${id}/lines`, rita)).status).toBe(200)
  await other.close()
})

test('revealing what was not echoed is a leaf', async () => {
  expect((await world.post(`/api/sessions/${id}/reveal`, {}, cookie)).status).toBe(200)
  expect(views().at(-1)).toMatchObject({ how: 'reveal', by: 'rita' })
})

test('pages of the list follow on without gap or repetition, also where sessions opened in the same millisecond', async () => {
  const many = await startWorld()
  const rita = await many.signIn('rita')
  await many.grant({ id: 'g7f3' })
  const letters = 'abcdefghijklmnopqrstuvwxy'
  for (const [index, letter] of letters.split('').entries())
    await many.open({ id: `s${letter.repeat(12)}`, openedAt: 1_700_000_000_000 + Math.floor(index / 10) })
  const seen: string[] = []
  let cursor: string | null = null
  do {
    const path: string = `/api/sessions?limit=4${cursor === null ? '' : `&cursor=${cursor}`}`
    const page = (await (await many.get(path, rita)).json()) as SessionPage
    expect(page.sessions.length).toBeLessThanOrEqual(4)
    seen.push(...page.sessions.map((session) => session.id))
    cursor = page.cursor
  } while (cursor !== null)
  expect(seen.length).toBe(letters.length)
  expect(new Set(seen).size).toBe(letters.length)
  for (const query of ['limit=0', 'limit=999', 'cursor=x', 'state=evil'])
    expect((await many.get(`/api/sessions?${query}`, rita)).status).toBe(400)
  await many.close()
})

test('a session carries its grant’s reason and rule', async () => {
  const { session } = (await (await world.get(`/api/sessions/${id}`, cookie)).json()) as {
    session: { granted: unknown }
  }
  expect(session.granted).toMatchObject({ incident: 'INC-42', rule: 'production-emergency/approval[0]' })
})
