import { Command } from 'commander'
import { expect, test } from 'vitest'
import { addSearchCommand } from '../../src/cli/search-command.ts'
import type { Run } from '../../src/cli/run.ts'
import type { SearchAsk, SearchFound, SearchMatch } from '../../src/procedure/search.ts'
import { FakeClock } from '../support/clock.ts'

const match: SearchMatch = {
  place: 7,
  session: 'sshell',
  line: 41,
  ms: 3_725_000,
  at: Date.UTC(2026, 10, 21, 3, 12, 44),
  kind: 'screen',
  excerpt: [
    { text: 'rm \u001b[2J\u202e', isMatch: false },
    { text: 'needle', isMatch: true },
  ],
}

/** Runs `search …` as rita; gives what was printed, what the index was asked, and the leaves. */
async function run(argv: readonly string[], found: Partial<SearchFound> = {}, isCaughtUp = true) {
  let out = ''
  const asked: SearchAsk[] = []
  const leaves: unknown[] = []
  const session = { id: 'sshell', user: 'alice', account: 'root', target: 'web-1', grant: 'g1', protocol: 'ssh' }
  const find = async (ask: SearchAsk): Promise<SearchFound> => {
    asked.push(ask)
    return { matches: [match], count: 1, isMore: false, ...found }
  }
  const search = {
    clock: new FakeClock(),
    state: {
      session: async () => session,
      grants: async () => [],
      commit: async (change: { readonly leaves: readonly unknown[] }) => void leaves.push(...change.leaves),
    },
    index: { find, isCaughtUp },
    policy: () => undefined,
  }
  const user = { name: 'rita', groups: [], roles: ['reviewer'], keys: [] }
  const root = new Command().exitOverride().configureOutput({ writeErr: () => {} })
  addSearchCommand(root, {
    caller: { identity: { user, fingerprint: 'SHA256:x', address: '::1' }, target: undefined, account: undefined },
    io: { stdout: (text: string) => (out += text), columns: 80 },
    ports: { search, mfa: { counts: () => true } },
  } as unknown as Run)
  await root.parseAsync(['search', ...argv], { from: 'user' })
  return { out, asked, leaves }
}

test('a hit says when, where, how far in and what, and does nothing to the terminal', async () => {
  const { out, leaves } = await run(['needle'])
  expect(out).toBe(
    '2026-11-21 03:12:44  sshell#41 +1:02:05  alice root@web-1  screen\n    rm \\x1b[2J[needle]\n1 hit\n',
  )
  expect(leaves).toEqual([{ type: 'searched', by: 'rita', query: 'needle', hits: 1 }])
})

for (const { argv, want } of [
  { argv: ['drop', 'table'], want: { phrases: ['drop', 'table'] } },
  { argv: ['drop table', 'user:alice'], want: { phrases: ['drop table'], users: ['alice'] } },
  { argv: ['"drop table" user:alice'], want: { phrases: ['drop table'], users: ['alice'] } },
  { argv: ['rm', '-rf'], want: { phrases: ['rm', '-rf'] } },
])
  test(`${JSON.stringify(argv)} asks for what was meant`, async () => {
    expect((await run(argv)).asked[0]?.query).toMatchObject(want)
  })

test('more, none, nothing asked and an index that is behind each say so', async () => {
  const many = Array.from({ length: 51 }, (_, n) => ({ ...match, place: 100 - n }))
  expect((await run(['a'], { matches: many, count: 1000, isMore: true })).out).toMatch(
    /\n1000\+ hits\nMore with --cursor 51\n$/,
  )
  expect((await run(['a', '--cursor', '51'])).asked[0]?.before).toBe(51)
  expect((await run(['a'], { matches: [], count: 0 }, false)).out).toMatch(/^nothing found[^\n]*\nSome recordings/)
  const { out, asked } = await run([])
  expect(out).toMatch(/^nothing to search for/)
  expect(asked).toEqual([])
  expect(JSON.parse((await run(['a', '--json'])).out)).toMatchObject({ count: 1, hits: [{ session: 'sshell' }] })
})
