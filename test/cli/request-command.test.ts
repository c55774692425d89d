import { Command } from 'commander'
import { expect, test } from 'vitest'
import { addApprovalCommands } from '../../src/cli/approval-commands.ts'
import { addBypassCommands } from '../../src/cli/bypass-commands.ts'
import { addRequestCommand } from '../../src/cli/request-command.ts'
import type { CommandPorts, Run } from '../../src/cli/run.ts'
import type { Identity } from '../../src/identity/user.ts'
import { ApprovalWaits } from '../../src/procedure/approval-waits.ts'
import { deny } from '../../src/procedure/approve.ts'
import type { OfferPorts } from '../../src/procedure/offer.ts'
import { ProcedureWorld } from '../procedure/world.ts'

const longReason = 'nobody answers and payments have been stuck for an hour'

interface Said {
  readonly out: string
  readonly err: string
  /** The exit status, or the code it was refused with. */
  readonly how: number | string
}

/** Speaks commands as people do over ssh; `typed` are the lines they answer with. */
function speaker(world: ProcedureWorld) {
  const offers: OfferPorts = {
    clock: world.clock,
    access: world.access,
    directory: world.directory,
    locks: world.registry.locks,
    channels: ['desk'],
  }
  const { clock, access, mfa, state, end, vouch } = world
  const ports: Partial<CommandPorts> = { clock, access, mfa, state, vouch, offers, waits: new ApprovalWaits() }
  return async (identity: Identity, argv: readonly string[], typed: readonly string[] = []): Promise<Said> => {
    const said = { out: '', err: '' }
    const lines = [...typed]
    const run: Run = {
      ports: { ...ports, end } as CommandPorts,
      caller: { identity, target: undefined, account: undefined },
      io: {
        stdout: (text) => void (said.out += text),
        stderr: (text) => void (said.err += text),
        ask: async (prompt) => {
          said.err += prompt
          return lines.shift()
        },
        isTerminal: false,
        columns: 80,
        signal: new AbortController().signal,
      },
      exit: 0,
    }
    const root = new Command('halligan').exitOverride()
    for (const add of [addRequestCommand, addApprovalCommands, addBypassCommands]) add(root, run)
    try {
      await root.parseAsync([...argv], { from: 'user' })
      return { ...said, how: run.exit }
    } catch (error) {
      return { ...said, how: (error as { code: string }).code }
    }
  }
}

const asking = ['request', 'orders', '--account', 'app_readwrite', '--reason', 'stuck payments']

test('a reason of many words arrives whole, though ssh took away the quotes around it', async () => {
  await using world = await ProcedureWorld.open()
  const say = speaker(world)
  const words = ['--reason', 'customers', "can't", 'pay', '--json']
  const asked = await say(
    world.as('alice'),
    ['request', 'orders', '--account', 'app_readwrite', ...words],
    [world.code('alice')],
  )
  expect(JSON.parse(asked.out)).toMatchObject({ state: 'requested', reason: "customers can't pay" })
  const { id } = JSON.parse(asked.out) as { id: string }
  const denied = await say(world.as('bob'), ['deny', id, '--reason', 'wait', 'for', 'me'], [world.code('bob')])
  expect(denied.how).toBe(0)
})

test('what a request would give is shown and not asked for', async () => {
  await using world = await ProcedureWorld.open()
  const say = speaker(world)
  const before = await world.state.ledgerHead()
  const { out, how } = await say(world.as('alice'), [...asking, '--preview'])
  for (const part of ['emergency/approval[0]', '1 of bob, carol, dave', 'alone after 2m', 'tells: desk'])
    expect(out).toContain(part)
  expect(how).toBe(0)
  const json = await say(world.as('alice'), ['request', 'web-1', '--preview', '--json'])
  expect(JSON.parse(json.out)).toMatchObject({ kind: 'open', required: 0, told: ['desk'], durationMs: 1_800_000 })
  expect((await say(world.as('bob'), ['request', 'web-1', '--preview'])).how).toBe(77)
  expect(await world.state.ledgerHead()).toEqual(before)
})

test('self-activation is said loudly before the reason is asked for', async () => {
  await using world = await ProcedureWorld.open()
  const { err, out, how } = await speaker(world)(
    await world.proven('alice'),
    ['request', 'web-1'],
    ['checkout is down'],
  )
  expect(err).toMatch(/EVERYONE IS TOLD[\s\S]*tells: desk[\s\S]*Reason: /)
  expect(out).toMatch(/^grant g/)
  expect(how).toBe(0)
})

test('a request that waits says who was asked; pending shows it to them alone; json says it for programs', async () => {
  await using world = await ProcedureWorld.open()
  const say = speaker(world)
  const alice = await world.proven('alice')
  const asked = await say(alice, [...asking, '--json'])
  expect(asked.how).toBe(75)
  const request = JSON.parse(asked.out) as { id: string }
  expect(request).toMatchObject({
    state: 'requested',
    asked: ['bob', 'carol', 'dave'],
    overrideInMs: 120_000,
    announcedAt: null,
  })
  // Asking again is asking once.
  expect(JSON.parse((await say(alice, [...asking, '--json'])).out)).toMatchObject({ id: request.id })
  expect((await say(world.as('bob'), ['pending'])).out).toContain(request.id)
  expect((await say(alice, ['pending'])).out).toBe('nothing waits for you\n')
})

test('approve and deny ask for a fresh code; a denial says why', async () => {
  await using world = await ProcedureWorld.open()
  const say = speaker(world)
  const { id } = JSON.parse((await say(await world.proven('alice'), [...asking, '--json'])).out) as { id: string }
  expect((await say(world.as('bob'), ['approve', id])).how).toBe('mfa_required')
  expect((await say(world.as('bob'), ['deny', id])).how).toBe('commander.missingMandatoryOptionValue')
  world.clock.advance(30_000)
  const approved = await say(world.as('bob'), ['approve', id, '--note', 'go'], [world.code('bob')])
  expect(approved).toMatchObject({ how: 0, out: `${id} is active\n` })
})

test('going ahead alone names who is skipped, before the reason and after the policy’s wait', async () => {
  await using world = await ProcedureWorld.open()
  const say = speaker(world)
  await say(await world.proven('alice'), asking)
  const early = await say(world.as('alice'), ['request', 'orders', '--override', '--reason', longReason], ['000000'])
  expect(early.how).toBe('approval_pending')
  world.clock.advance(120_000)
  const alone = await say(world.as('alice'), ['request', 'orders', '--override'], [longReason])
  expect(alone.err).toMatch(/bob, carol, dave are told[\s\S]*Longer reason: /)
  expect(alone).toMatchObject({ how: 0, out: expect.stringMatching(/^grant g/) as string })
})

test('lift takes a denial back for whoever may', async () => {
  await using world = await ProcedureWorld.open()
  const say = speaker(world)
  const { id } = JSON.parse((await say(await world.proven('alice'), [...asking, '--json'])).out) as { id: string }
  await deny(world.end, world.as('bob'), id, 'not now')
  const bob = await world.proven('bob')
  expect((await say(await world.proven('alice'), ['lift', 'alice', 'orders'])).how).toBe('denied')
  expect(await say(bob, ['lift', 'alice', 'orders', '--note', 'sorry'])).toMatchObject({ how: 0 })
  expect((await say(bob, ['lift', 'alice', 'orders'])).how).toBe('not_found')
})

for (const [name, text] of [
  ['1 MB', 'x'.repeat(1 << 20)],
  ['an escape sequence', 'stuck \x1b]0;payments\x07'],
] as const) {
  test(`a reason or note of ${name} is refused and shown to nobody`, async () => {
    await using world = await ProcedureWorld.open()
    const say = speaker(world)
    const alice = await world.proven('alice')
    const asked = await say(alice, ['request', 'web-1', '--reason', text])
    expect(asked.how).toBe('denied')
    expect(asked.err + asked.out).not.toContain('\x1b')
    const { id } = JSON.parse((await say(alice, [...asking, '--json'])).out) as { id: string }
    const bob = await world.proven('bob')
    const before = await world.state.ledgerHead()
    expect((await say(bob, ['approve', id, '--note', text])).how).toBe('usage')
    expect((await say(bob, ['bypass', 'alice', '--reason', text])).how).toBe('usage')
    expect(await world.state.ledgerHead()).toEqual(before)
  })
}

test('bypass prints the code and nothing else on stdout; enrol prints ten', async () => {
  await using world = await ProcedureWorld.open()
  const say = speaker(world)
  const bob = await world.proven('bob')
  const code = await say(bob, ['bypass', 'alice', '--reason', 'her phone fell into the sea'])
  expect(code.out).toMatch(/^(\w{4}-){3}\w{4}\n$/)
  expect(code.err).not.toContain(code.out.trim())
  expect((await say(world.as('alice'), ['bypass', 'bob', '--reason', 'his phone fell into the sea'])).how).toBe(
    'mfa_required',
  )
  const ten = await say(bob, ['enrol', '--recovery-codes'])
  expect(ten.out.trim().split('\n')).toHaveLength(10)
  expect((await say(bob, ['enrol'])).how).toBe('usage')
})
