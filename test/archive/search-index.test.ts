import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { fc } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { openedAt, SearchWorld, shown, typed } from './search-world.ts'

const sql = { kind: 'sql', application: 'psql' }
const q = (text: string) => ({ kind: 'fact', code: 'q', data: { id: 1, kind: 'query', sql: text } }) as const

test('what was shown, typed, asked, refused and said is found, with its place', async () => {
  await using world = new SearchWorld()
  await world.sealAndIndex({
    id: 'sshell',
    lines: [
      [1, shown('alice@web-1:~$ ')],
      [1, typed('ls')],
      [0.1, shown('ls')],
      [0.1, typed('\r')],
      [0.1, shown('\r\n\x1b[32mgreenfile\x1b[0m  other\r\n')],
      [1, { kind: 'fact', code: 'n', data: { kind: 'expiry', text: 'ends in ten minutes' } }],
    ],
  })
  await world.sealAndIndex({
    id: 'ssql',
    what: sql,
    lines: [
      [1, q('DROP TABLE customers')],
      [0.5, { kind: 'fact', code: 'd', data: { id: 1, error: 'must be owner of table customers', sqlstate: '42501' } }],
    ],
  })
  await world.sealAndIndex({ id: 'sexec', what: { kind: 'exec', command: 'systemctl restart shopd', term: null } })
  const one = async (text: string) => {
    const { matches, count } = await world.find(text)
    expect(count).toBe(matches.length)
    return matches.map(({ session, line, ms, kind }) => [session, line, ms, kind])
  }
  expect(await one('greenfile')).toEqual([['sshell', 5, 2300, 'screen']])
  expect(await one('ls')).toEqual([
    ['sshell', 5, 2300, 'screen'],
    ['sshell', 4, 2200, 'typed'],
  ])
  expect(await one('"ten minutes"')).toEqual([['sshell', 6, 3300, 'notice']])
  expect(await one('drop customers')).toEqual([['ssql', 1, 1000, 'statement']])
  expect(await one('"owner of table"')).toEqual([['ssql', 2, 1500, 'error']])
  expect(await one('shopd')).toEqual([['sexec', 0, 0, 'command']])
  expect(await one('"shop is down" user:alice')).toHaveLength(3)
  expect(await one('"down is shop"')).toEqual([])
  const [match] = (await world.find('customers drop')).matches
  expect(match?.excerpt.filter((part) => part.isMatch).map((part) => part.text)).toEqual(['DROP', 'customers'])
})

test('a password typed where nothing is echoed is in no entry and not in the file', async () => {
  await using world = new SearchWorld()
  await world.sealAndIndex({
    id: 'ssecret',
    lines: [
      [1, shown('Password: ')],
      ...Array.from('hunter2zebra', (key) => [0.1, typed(key)] as const),
      [0.1, typed('\r')],
      [0.1, shown('\r\nwelcome back\r\n')],
      [1, shown('PIN: ')],
      [1, typed('pinwheel77\r')],
      [0.1, shown('\r\n**********\r\n')],
    ],
  })
  for (const text of ['hunter2zebra', 'pinwheel77']) expect((await world.find(text)).count).toBe(0)
  expect((await world.find('welcome')).count).toBe(1)
  await world.index.close()
  for (const end of ['', '-wal'])
    if (existsSync(world.file + end))
      expect(readFileSync(world.file + end).toString('latin1')).not.toMatch(/hunter2|pinwheel/)
})

test('nobody finds or counts what they may not see, whatever they type', async () => {
  await using world = new SearchWorld()
  await world.sealAndIndex({ id: 'salice', user: 'alice', grant: 'ga', lines: [[1, shown('needle one\r\n')]] })
  // A name that a tokenizer would take for two, and two that share their letters.
  await world.sealAndIndex({ id: 'salicex', user: 'alice-x', grant: 'gb', lines: [[1, shown('needle two\r\n')]] })
  await world.sealAndIndex({ id: 'sbob', user: 'bob', grant: 'gc', lines: [[1, shown('needle three\r\n')]] })
  const some = (user: string, ...grants: string[]) => ({ sees: { kind: 'some', user, grants } }) as const
  const seen = async (text: string, options: ReturnType<typeof some>) => {
    const { matches, count } = await world.find(text, options)
    expect(count).toBe(matches.length)
    return matches.map((match) => match.session).toSorted()
  }
  expect(await seen('needle', some('alice'))).toEqual(['salice'])
  expect(await seen('needle', some('x'))).toEqual([])
  expect(await seen('needle', some('alice-x'))).toEqual(['salicex'])
  expect(await seen('needle', some('rita', 'gb', 'gc'))).toEqual(['salicex', 'sbob'])
  expect(await seen('needle', some('rita', ...Array.from({ length: 300 }, (_, n) => `gx${n}`), 'gc'))).toEqual(['sbob'])
  for (const text of [
    'needle user:bob',
    'needle OR three',
    'three" OR text:"needle',
    '* OR needle',
    'user:alice-x',
    'grant:gc needle',
    'facets:u626f62',
    'u626f62',
    '{text facets} : needle',
    'NEAR(needle three, 10)',
    'since:2000-01-01',
  ])
    expect((await seen(text, some('alice'))).filter((session) => session !== 'salice')).toEqual([])
})

test('the newest come first, page by page, none twice, within the times asked for', async () => {
  await using world = new SearchWorld()
  const hour = 3_600_000
  await world.sealAndIndex({ id: 's2', openedAt: openedAt + hour, lines: [[1, shown('tick\r\n'.repeat(30))]] })
  await world.sealAndIndex({ id: 's1', openedAt, lines: [[1, shown('tick\r\n'.repeat(30))]] })
  await world.sealAndIndex({ id: 's0', openedAt, lines: [[1, shown('tick\r\n'.repeat(30))]] })
  const seen: number[] = []
  const times: number[] = []
  for (let before: number | undefined; ;) {
    const { matches, count } = await world.find('tick', { limit: 7, ...(before === undefined ? {} : { before }) })
    expect(count).toBe(90)
    if (matches.length === 0) break
    seen.push(...matches.map(({ place }) => place))
    times.push(...matches.map(({ at }) => at))
    before = matches.at(-1)?.place
  }
  expect(new Set(seen).size).toBe(90)
  expect(times).toEqual(times.toSorted((a, b) => b - a))
  const asked = async (text: string) => (await world.find(text)).count
  expect(await asked('tick since:2026-11-21T04:00')).toBe(30)
  expect(await asked('tick until:2026-11-21T04:00:01')).toBe(60)
  expect(await asked('tick until:2026-11-20')).toBe(0)
  expect(await asked('tick until:2026-11-21')).toBe(90)
  expect(await asked('since:2026-11-21T04:00:01 until:2026-11-21T04:00:02')).toBe(30)
})

test('a recording that is not what was sealed is not indexed', async () => {
  await using world = new SearchWorld()
  const whole = await world.seal({ id: 'saltered', lines: [[1, shown('needle\r\n')]] })
  const path = join(world.recordings, whole.seal.file)
  const bytes = readFileSync(path)
  chmodSync(path, 0o600)
  for (const at of [0, 20, bytes.length >> 1, bytes.length - 1]) {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ 1
    writeFileSync(path, changed)
    expect((await world.index.index(whole)).kind).toBe('refused')
  }
  rmSync(path)
  expect((await world.index.index(whole)).kind).toBe('refused')
  expect((await world.find('needle')).count).toBe(0)
  expect([...(await world.index.missing([whole]))]).toEqual(['saltered'])
  writeFileSync(path, bytes)
  expect((await world.index.index(whole)).kind).toBe('indexed')
  expect((await world.find('needle')).count).toBe(1)
})

test('ended in the middle of a recording, nothing of it is in the index, and it is taken in again', async () => {
  await using world = new SearchWorld()
  const first = await world.sealAndIndex({ id: 'sfirst', lines: [[1, shown('needle\r\n')]] })
  const text = 'a needle in a long recording\r\n'.repeat(500)
  const long = await world.seal({ id: 'slong', lines: Array.from({ length: 60 }, () => [0.1, shown(text)] as const) })
  for (let round = 0; round < 2; round++) {
    const taking = world.index.index(long)
    const outcome = taking.then(
      () => 'taken',
      () => 'ended',
    )
    // Asked for behind it, and answered while it is being taken in.
    expect((await world.find('needle')).count).toBe(1)
    await world.reopen()
    expect(await outcome).toBe('ended')
  }
  expect([...(await world.index.missing([first, long]))]).toEqual(['slong'])
  expect(await world.index.index(long)).toMatchObject({ kind: 'indexed', entries: 30_001 })
  expect(await world.find('needle')).toMatchObject({ count: 1000, isMore: true })
  await world.index.forget('slong')
  expect((await world.find('needle')).count).toBe(1)
})

const damages: Record<string, (world: SearchWorld) => void> = {
  'is missing': ({ file }) => rmSync(file),
  'is no database': ({ file }) => writeFileSync(file, 'no database at all, but long enough to look at'.repeat(100)),
  'is empty': ({ file }) => writeFileSync(file, ''),
  'is a directory': ({ file }) => {
    rmSync(file)
    mkdirSync(file)
  },
  'is cut': ({ file }) => writeFileSync(file, readFileSync(file).subarray(0, 8192)),
  'is damaged in the middle': ({ file }) => {
    const bytes = readFileSync(file)
    bytes.fill(0x5a, 4096, bytes.length)
    writeFileSync(file, bytes)
  },
  'has an older schema': ({ file }) => changed(file, 'PRAGMA user_version = 0'),
  'has a newer schema': ({ file }) => changed(file, 'PRAGMA user_version = 99'),
  'is of another program': ({ file }) => changed(file, 'PRAGMA application_id = 1'),
  'lacks a table': ({ file }) => changed(file, 'DROP TABLE entries'),
}

function changed(file: string, statement: string): void {
  const database = new Database(file)
  database.exec(statement)
  database.close()
}

for (const [what, damage] of Object.entries(damages))
  test(`an index that ${what} is thrown away and built anew`, async () => {
    await using world = new SearchWorld()
    const recording = await world.sealAndIndex({ id: 'sone', lines: [[1, shown('needle\r\n')]] })
    await world.reopen(() => {
      changed(world.file, 'PRAGMA wal_checkpoint(TRUNCATE)')
      damage(world)
    })
    expect([...(await world.index.missing([recording]))]).toEqual(['sone'])
    expect((await world.find('needle')).count).toBe(0)
    expect((await world.index.index(recording)).kind).toBe('indexed')
    expect((await world.find('needle')).count).toBe(1)
    expect(statSync(world.file).mode & 0o777).toBe(0o600)
  })

test('an index that breaks while it is used is begun anew; a search never throws it away', async () => {
  await using world = new SearchWorld()
  const recording = await world.sealAndIndex({ id: 'sone', lines: [[1, shown('needle\r\n')]] })
  changed(world.file, 'DROP TABLE entries')
  await expect(world.find('needle')).rejects.toMatchObject({ code: 'unavailable' })
  expect([...(await world.index.missing([recording]))]).toEqual(['sone'])
  expect(world.renewed).toBe(1)
  await world.index.index(recording)
  expect((await world.find('needle')).count).toBe(1)
  expect(world.renewed).toBe(1)
})

test('where no index can be made, searching is refused and nothing else happens', async () => {
  await using world = new SearchWorld()
  await world.reopen(() => {
    rmSync(world.directory, { recursive: true, force: true })
    writeFileSync(world.directory, '')
  })
  await expect(world.find('needle')).rejects.toMatchObject({ code: 'unavailable' })
  await expect(world.find('needle')).rejects.toMatchObject({ code: 'unavailable' })
})

test('whatever is typed or printed, the engine finds or does not find, and fails at nothing', async () => {
  await using world = new SearchWorld()
  const hostile = [
    '"',
    '""',
    "'",
    '(',
    ')',
    '*',
    '^',
    ':',
    '{',
    '}',
    '-',
    '+',
    'AND',
    'OR',
    'NOT',
    'NEAR',
    '\0',
    '\u0002',
    '\u0003',
    '\u001b[31m',
    'text',
    'facets',
    'é',
    '漢字',
    '🧯',
    '\u{10ffff}',
    'ﬀ',
    '٣',
    ' ',
    'user:',
    'needle',
  ]
  await world.sealAndIndex({
    id: 'shostile',
    lines: [
      [1, shown(`${hostile.join(' ')}\r\n`)],
      [1, shown('x'.repeat(20_000))],
    ],
  })
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.array(fc.constantFrom(...hostile), { maxLength: 12 }).map((parts) => parts.join('')),
        fc.string({ unit: 'binary', maxLength: 40 }),
      ),
      async (text) => {
        for (const match of (await world.find(text)).matches) {
          const excerpt = match.excerpt.map((part) => part.text).join('')
          expect(excerpt).not.toMatch(/\p{Cc}/u)
          expect(excerpt.length).toBeLessThanOrEqual(250)
        }
      },
    ),
    { numRuns: 120 },
  )
  expect((await world.find('needle')).count).toBe(1)
  expect((await world.find('x'.repeat(900))).count).toBe(0)
  expect(world.renewed).toBe(0)
})
