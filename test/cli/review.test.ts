import { Command } from 'commander'
import { expect, test } from 'vitest'
import { DEFAULT_CHECKLIST } from '../../src/access/review.ts'
import { addReviewCommands } from '../../src/cli/review-commands.ts'
import type { Grant } from '../../src/access/grant.ts'
import { endGrant } from '../../src/procedure/end.ts'
import { ProcedureWorld } from '../procedure/world.ts'

const all = DEFAULT_CHECKLIST.map((_, index) => `--answer=${index + 1}=yes`)

async function used(world: ProcedureWorld, endReason = 'done'): Promise<Grant> {
  const ask = { target: 'web-1', reason: 'checkout is down' }
  const grant = await world.access.request(await world.proven('alice'), ask)
  return endGrant(world.end, grant.id, 'returned', 'alice', endReason)
}

/** What one command prints and asks, its standard input being `lines`; `error` is the code it failed with. */
async function say(
  world: ProcedureWorld,
  name: string,
  argv: readonly string[],
  lines: readonly string[] = [],
): Promise<{ out: string; asked: string[]; error: string | undefined; hint: string | undefined }> {
  const root = new Command().exitOverride()
  const given = [...lines]
  const asked: string[] = []
  let out = ''
  const run = {
    ports: { clock: world.clock, review: world.review, mfa: world.mfa, sshHint: 'bastion' },
    caller: { identity: await world.proven(name), target: undefined, account: undefined },
    io: {
      stdout: (text: string) => {
        out += text
      },
      stderr: () => undefined,
      ask: async (prompt: string) => {
        asked.push(prompt)
        return given.shift()
      },
      isTerminal: true,
      columns: 80,
      signal: new AbortController().signal,
    },
    exit: 0,
  }
  addReviewCommands(root, run)
  try {
    await root.parseAsync([...argv], { from: 'user' })
    return { out, asked, error: undefined, hint: undefined }
  } catch (error) {
    const { code, hint } = error as { code?: string; hint?: string }
    return { out, asked, error: code ?? String(error), hint }
  }
}

test('reviews lists what waits, to whom it falls, and how long still', async () => {
  await using world = await ProcedureWorld.open()
  expect((await say(world, 'rita', ['reviews'])).out).toBe('nothing waits for review\n')
  const grant = await used(world)
  const { out } = await say(world, 'rita', ['reviews'])
  for (const word of [grant.id, 'alice', 'deploy@web-1', 'due in 8 h', 'you']) expect(out).toContain(word)
  world.clock.advance(9 * 3_600_000)
  expect((await say(world, 'adam', ['reviews'])).out).toMatch(/OVERDUE by 6\d min +rita, sam/)
  const json = JSON.parse((await say(world, 'rita', ['reviews', '--json'])).out) as { grant: { id: string } }[]
  expect(json.map((item) => item.grant.id)).toEqual([grant.id])
})

test('review shows who, why, what and the questions, and how to go on', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  const { out } = await say(world, 'rita', ['review', grant.id])
  for (const word of [
    'checkout is down',
    'customer-impact',
    'emergency/approval[1]',
    'returned by alice: done',
    'no session',
  ])
    expect(out).toContain(word)
  for (const question of DEFAULT_CHECKLIST) expect(out).toContain(question)
  expect(out).toContain('ssh rita@bastion web')
  expect(out).toContain(`review ${grant.id} --verdict`)
  expect((await say(world, 'dave', ['review', grant.id])).error).toBe('not_found')
})

test('a verdict in one line', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  const argv = [
    'review',
    grant.id,
    '--verdict',
    'emergency',
    '--follow-up',
    'fix it',
    '--follow-up',
    'tell them',
    ...all,
  ]
  const { out, asked, error } = await say(world, 'rita', argv)
  expect({ asked, error }).toEqual({ asked: [], error: undefined })
  const review = (await world.state.grant(grant.id))?.review
  expect(review).toMatchObject({ by: 'rita', verdict: 'emergency', followUps: ['fix it', 'tell them'] })
  expect(out).toContain(review?.statement)
  expect((await say(world, 'sam', argv)).error).toBe('conflict')
  expect((await say(world, 'rita', ['review', grant.id])).out).toContain('verdict emergency, by rita')
})

test('what is missing is asked for, line by line; an answer that is none is asked again', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  const lines = ['perhaps', 'yes', 'n', 'n/a', 'Y', 'no', 'read the customer’s mail']
  const { asked, error } = await say(world, 'rita', ['review', grant.id, '--verdict', 'misuse'], lines)
  expect(error).toBeUndefined()
  expect(asked).toHaveLength(lines.length)
  expect((await world.state.grant(grant.id))?.review).toMatchObject({
    findings: 'read the customer’s mail',
    checklist: ['yes', 'no', 'n/a', 'yes', 'no'].map((answer) => ({ answer })),
  })
})

const mistakes: readonly { name: string; argv: readonly string[]; lines?: readonly string[]; want: string }[] = [
  { name: 'a verdict there is not', argv: ['--verdict', 'fine', ...all], want: 'usage' },
  { name: 'an answer to no question', argv: ['--verdict', 'emergency', '--answer', '9=yes'], want: 'usage' },
  { name: 'an answer that is none', argv: ['--verdict', 'emergency', '--answer', '1=perhaps'], want: 'usage' },
  { name: 'nobody there to ask', argv: ['--verdict', 'emergency'], want: 'usage' },
  { name: 'three answers that are none', argv: ['--verdict', 'emergency'], lines: ['a', 'b', 'c'], want: 'usage' },
  { name: 'misuse without findings', argv: ['--verdict', 'misuse', '--findings', '', ...all], want: 'usage' },
  {
    name: 'findings with an escape',
    argv: ['--verdict', 'misuse', '--findings', 'see \u001b[2J this', ...all],
    want: 'usage',
  },
  { name: 'a reason with a bell', argv: ['--reopen', '--reason', 'because\u0007'], want: 'usage' },
  { name: 'taking back what was not given', argv: ['--reopen', '--reason', 'new facts'], want: 'conflict' },
]
for (const { name, argv, lines, want } of mistakes)
  test(`${name}: ${want}, and nothing is decided`, async () => {
    await using world = await ProcedureWorld.open()
    const grant = await used(world)
    const said = await say(world, 'rita', ['review', grant.id, ...argv], lines)
    expect(said.error).toBe(want)
    expect(await world.state.grant(grant.id)).toMatchObject({ state: 'awaiting-review', version: grant.version })
  })

test('who cannot decide is told so before anything is asked', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  const { asked, error } = await say(world, 'adam', ['review', grant.id, '--verdict', 'emergency'])
  expect({ asked, error }).toEqual({ asked: [], error: 'denied' })
})

test('a recording that was not opened: the hint leads to the page', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  const at = world.clock.now()
  const session = {
    id: 'saaaaaaaaaaaa',
    protocol: 'ssh',
    grant: grant.id,
    user: 'alice',
    fingerprint: 'SHA256:alice',
    mfa: 'totp',
    address: '10.0.0.1',
    target: 'web-1',
    account: 'deploy',
    database: null,
    what: { kind: 'subsystem', name: 'sftp' },
    openedAt: at,
    state: 'open',
    endedAt: null,
    end: null,
    seal: null,
  } as const
  const seal = {
    file: '2026/11/21/saaaaaaaaaaaa.cast.zst',
    root: 'ab'.repeat(32),
    lines: 3,
    firstSeq: 0,
    lastSeq: 2,
    sizeBytes: 100,
    sha256: 'ab'.repeat(32),
    state: 'complete',
  } as const
  await world.state.commit({ at, writes: [{ kind: 'session-open', session }], leaves: [] })
  await world.state.commit({ at, writes: [{ kind: 'session-sealed', id: session.id, seal }], leaves: [] })
  const { error, hint } = await say(world, 'rita', ['review', grant.id, '--verdict', 'emergency', ...all])
  expect(error).toBe('denied')
  expect(hint).toContain('ssh rita@bastion web')
  expect((await say(world, 'rita', ['review', grant.id])).out).toContain('opened by you: 0 %')
})

test('a reason that is typed by somebody else moves no terminal', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world, 'done \u001b[2J or not')
  for (const argv of [['reviews'], ['review', grant.id]])
    expect((await say(world, 'rita', argv)).out).not.toContain('\u001b')
})

test('taking a verdict back asks for the reason; statistics count it', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  await say(world, 'rita', ['review', grant.id, '--verdict', 'emergency', ...all])
  const { error } = await say(world, 'adam', ['review', grant.id, '--reopen'], ['a customer complained'])
  expect(error).toBeUndefined()
  expect((await world.state.grant(grant.id))?.state).toBe('awaiting-review')
  const shown = (await say(world, 'rita', ['review', grant.id])).out
  expect(shown).toContain('re-opened by adam')
  const { out } = await say(world, 'rita', ['reviews', '--statistics'])
  expect(out).toMatch(/by rita +1 +1/)
  expect(out).toContain('waiting 1, overdue 0, re-opened 1')
  expect((await say(world, 'alice', ['reviews', '--statistics'])).error).toBe('denied')
})
