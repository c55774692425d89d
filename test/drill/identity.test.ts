import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { type ApprovalNeed, mayApprove } from '../../src/access/approval.ts'
import { decide } from '../../src/access/decide.ts'
import { mayReopen, mayReview } from '../../src/access/review.ts'
import { mustStayInDrill } from '../../src/bastion/rehearsals.ts'
import { Cast } from '../../src/drill/cast.ts'
import { RecorderFaults } from '../../src/drill/fault.ts'
import { DrillFactors } from '../../src/drill/factor.ts'
import { findScenes } from '../../src/drill/scenes.ts'
import { buildDirectory } from '../../src/identity/directory.ts'
import { DrillDirectory, DrillUser, mayComeFrom } from '../../src/identity/drill.ts'
import { totpCode } from '../../src/identity/totp.ts'
import type { Role, User } from '../../src/identity/user.ts'
import { commandNames } from '../../src/identity/name.ts'
import { Mfa } from '../../src/procedure/mfa.ts'
import type { Journal } from '../../src/session/recorder.ts'
import type { Change, State } from '../../src/session/state.ts'
import type { Target } from '../../src/target.ts'
import { policyOf } from '../procedure/world.ts'
import { FakeClock } from '../support/clock.ts'
import { grantOf } from '../support/grant.ts'

const person = (name: string, groups: readonly string[], roles: readonly Role[] = ['engineer']): User => {
  return { name, groups, roles, keys: [] }
}
const made = (name = 'drill-d7f3-1-engineer', groups: readonly string[] = ['oncall'], roles: readonly Role[] = []) =>
  new DrillUser(name, groups, roles, [{ fingerprint: `SHA256:${name}`, type: 'ssh-ed25519', blob: '', comment: '' }])

const host: Target = {
  kind: 'ssh',
  name: 'web-1',
  labels: { env: 'prod' },
  accounts: ['deploy', 'root'],
  host: '127.0.0.1',
  port: 22,
  hostKeys: [],
  credential: 'key',
}

describe('whom a rehearsal can be', () => {
  property.prop([
    fc.array(fc.constantFrom('web-1', 'orders', '*'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('env', 'kind'), fc.constantFrom('prod', 'ssh')),
    fc.constantFrom(undefined, 'deploy', 'root'),
    fc.boolean(),
  ])('no policy opens a target to it that is not a canary', (names, labels, account, canary) => {
    const policy = policyOf({
      who: { groups: ['oncall'], users: ['drill-d7f3-1-engineer'] },
      targets: { names: ['web-1', ...names], labels },
    })
    const target = canary ? { ...host, canary: true } : host
    const decision = decide(
      [policy],
      { user: made(), target, account, address: '127.0.0.1', trigger: 'customer-impact', reason: 'a drill' },
      Date.UTC(2026, 10, 21),
    )
    if (canary) expect(decision.kind === 'deny' && decision.rule === 'drill/canary').toBe(false)
    else expect(decision).toMatchObject({ kind: 'deny', rule: 'drill/canary' })
  })

  test('it comes from this machine alone, people from anywhere', () => {
    expect(mayComeFrom(made(), '127.0.0.1')).toBe(true)
    for (const address of ['10.0.0.7', '0.0.0.0', '127.0.0.1:22', '', '169.254.169.254', '2001:db8::1'])
      expect(mayComeFrom(made(), address)).toBe(false)
    expect(mayComeFrom(person('alice', []), '10.0.0.7')).toBe(true)
  })

  test('when it has left it is nobody, for whoever still holds it', () => {
    const directory = new DrillDirectory(buildDirectory([person('alice', ['oncall'])]))
    const user = made()
    directory.enter([user])
    expect(directory.byName(user.name)).toBe(user)
    expect(directory.byFingerprint(`SHA256:${user.name}`)?.user).toBe(user)
    expect(directory.all().map(({ name }) => name)).toEqual(['alice'])
    directory.leave([user])
    expect(directory.byName(user.name)).toBeUndefined()
    expect(directory.byFingerprint(`SHA256:${user.name}`)).toBeUndefined()
    expect(directory.made).toEqual([])
    expect(user).toMatchObject({ isDisabled: true, groups: [], roles: [], keys: [] })
  })

  test('it takes nobody’s name, and of several all enter or none', () => {
    const directory = new DrillDirectory(buildDirectory([person('Drill-d7f3-1-Approver', [])]))
    expect(() => directory.enter([made(), made('drill-d7f3-1-approver')])).toThrow(
      expect.objectContaining({ code: 'conflict' }),
    )
    expect(directory.made).toEqual([])
    directory.enter([made()])
    expect(() => directory.enter([made()])).toThrow(expect.objectContaining({ code: 'conflict' }))
  })
})

describe('whom it may decide on', () => {
  const need: ApprovalNeed = { rule: 'r', required: 1, from: { groups: ['leads'], roles: [] }, override: null }
  const cases = [
    { name: 'a drill approves a drill', user: made('drill-approver', ['leads']), drill: true, may: true },
    { name: 'a drill approves a person', user: made('drill-approver', ['leads']), drill: false, may: false },
    { name: 'a person approves a drill', user: person('bob', ['leads']), drill: true, may: false },
    { name: 'a person approves a person', user: person('bob', ['leads']), drill: false, may: true },
  ]
  for (const { name, user, drill, may } of cases)
    test(name, () => {
      expect(mayApprove(need, grantOf(0, { drill, state: 'requested' }), user)).toBe(may)
    })

  for (const { name, user, drill, may } of cases)
    test(name.replace('approves', 'reviews'), () => {
      const policy = policyOf({
        review: { withinMs: 1, by: { groups: ['leads'], roles: [] }, checklist: [], escalate: null },
      })
      const grant = grantOf(0, { drill, state: 'awaiting-review' })
      expect(mayReview(policy, grant, user)).toBe(may)
      expect(mayReopen(policy, { ...grant, state: 'reviewed' }, user)).toBe(may)
    })

  test('it says the verbs of the stories, about grants of rehearsals, and nothing else', async () => {
    const state: Pick<State, 'grant'> = {
      grant: async (id) =>
        ({ gdrill: grantOf(0, { id: 'gdrill', drill: true }), g7f3: grantOf(0) })[id as 'gdrill' | 'g7f3'],
    }
    const say = async (...argv: string[]) => mustStayInDrill(state, made(), argv)
    await say('approve', 'gdrill', '--note', 'fine')
    await say('request', 'web-1', '--reason', 'g7 is down')
    for (const argv of [
      ['approve', 'g7f3'],
      ['deny', '--reason', 'x', 'g7f3'],
      ['revoke', 'g7f3'],
      ['review', 'g7f3'],
    ])
      await expect(say(...argv)).rejects.toMatchObject({ code: 'denied' })
    const words = [
      'whoami',
      'targets',
      'grants',
      'request',
      'dsn',
      'extend',
      'end',
      'approve',
      'deny',
      'revoke',
      'review',
    ]
    for (const name of commandNames.filter((each) => !words.includes(each)))
      await expect(say(name)).rejects.toMatchObject({ code: 'denied' })
    await expect(say()).rejects.toMatchObject({ code: 'denied' })
    await mustStayInDrill(state, person('alice', []), ['web'])
  })
})

describe('what it can break', () => {
  const journal: Journal = {
    append: async () => undefined,
    lines: async function* () {},
    head: () => ({ seq: 0, head: '' }),
    epoch: async () => undefined,
    close: async () => undefined,
  }
  const entry = {
    session: 's',
    seq: 0,
    monotonicUs: 0,
    wallMs: 0,
    interval: 0,
    body: { kind: 'header', header: {} },
  } as const

  test('the recorder of its own session, and no other', async () => {
    const faults = new RecorderFaults()
    const own = faults.journalFor('sown', made(), journal)
    const other = faults.journalFor('sother', made('drill-2'), journal)
    const persons = faults.journalFor('salice', person('alice', []), journal)
    expect(persons).toBe(journal)
    expect(() => faults.fail('salice')).toThrow(expect.objectContaining({ code: 'not_found' }))
    faults.fail('sown')
    await expect(own.append(entry)).rejects.toMatchObject({ code: 'journal_failed' })
    await other.append(entry)
    await persons.append(entry)
    await journal.append(entry)
    faults.forget()
    expect(() => faults.fail('sother')).toThrow(expect.objectContaining({ code: 'not_found' }))
  })
})

describe('what it proves itself with', () => {
  const clock = new FakeClock()
  const canary: Target = { ...host, canary: true }
  const scenes = findScenes([policyOf({ targets: { names: ['web-1'], labels: {} } })], [canary], clock.now())

  test('its secret never reaches the store, and a code counts once', async () => {
    const written: Change[] = []
    const state: Pick<State, 'totp' | 'codes' | 'commit'> = {
      totp: async () => undefined,
      codes: async () => [],
      commit: async (change) => {
        written.push(change)
        return { size: 1, root: '' }
      },
    }
    const directory = new DrillDirectory(buildDirectory([]))
    const factors = new DrillFactors()
    const cast = Cast.enter({ clock, directory, factors }, 'drill-d7f3-1', scenes)
    const over = factors.over(state)
    const actor = cast.actor('alice')
    expect(actor.name).toBe('drill-d7f3-1-engineer')
    const user = directory.byName(actor.name)
    const secret = (await over.totp(actor.name))?.secret ?? ''
    expect(secret).toMatch(/^[A-Z2-7]{32}$/)
    if (user === undefined) throw new Error('nobody entered')
    const mfa = new Mfa({
      clock,
      state: over,
      lockedOutAlerts: () => [],
      codeUsedAlerts: () => [],
      mayVouch: () => true,
      nudge: () => undefined,
    })
    const code = totpCode(secret, clock.now())
    const identity = () => ({ user, fingerprint: user.keys[0]?.fingerprint ?? '', address: '127.0.0.1' })
    expect(await mfa.verify(identity(), code)).toMatchObject({ kind: 'passed' })
    expect(await mfa.verify(identity(), code)).toMatchObject({ kind: 'refused', error: { code: 'code_replayed' } })
    // Two connections at one moment: one of them wins.
    clock.advance(30_000)
    const next = totpCode(secret, clock.now())
    const both = await Promise.all([mfa.verify(identity(), next), mfa.verify(identity(), next)])
    expect(both.map(({ kind }) => kind).sort()).toEqual(['passed', 'refused'])
    expect(JSON.stringify(written)).not.toContain(secret)
    expect(written.flatMap(({ writes }) => writes)).toEqual([])

    cast.leave()
    clock.advance(30_000)
    expect(await mfa.verify(identity(), totpCode(secret, clock.now()))).toMatchObject({
      kind: 'refused',
      error: { code: 'not_enrolled' },
    })
  })

  test('a person keeps their own factor while a drill runs', async () => {
    const written: Change[] = []
    const factors = new DrillFactors()
    factors.enrol('drill-1', 'A'.repeat(32))
    const over = factors.over({
      totp: async (user) => (user === 'alice' ? { secret: 'B'.repeat(32), lastStep: 7 } : undefined),
      codes: async () => [],
      commit: async (change) => {
        written.push(change)
        return { size: 1, root: '' }
      },
    })
    expect(await over.totp('alice')).toEqual({ secret: 'B'.repeat(32), lastStep: 7 })
    await over.commit({ at: 0, writes: [{ kind: 'totp-step', user: 'alice', step: 8 }], leaves: [] })
    expect(written[0]?.writes).toEqual([{ kind: 'totp-step', user: 'alice', step: 8 }])
  })
})
