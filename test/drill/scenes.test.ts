import { describe, expect, test } from 'vitest'
import type { Policy } from '../../src/access/policy.ts'
import { cannotPlay, findScenes } from '../../src/drill/scenes.ts'
import { orders, policyOf, web1 } from '../procedure/world.ts'

const now = Date.UTC(2026, 10, 21, 3)
const canaries = [
  { ...web1, canary: true as const, accounts: ['deploy', 'root'] },
  { ...orders, canary: true as const },
]
const find = (policies: readonly Policy[]) => findScenes(policies, canaries, now)

test('places are canaries that a policy opens to a group, with the accounts it opens', () => {
  const scenes = findScenes([policyOf()], [{ ...web1, name: 'real' }, ...canaries], now)
  expect(
    Object.fromEntries([...scenes.places].map(([place, { target, account }]) => [place, `${account}@${target}`])),
  ).toEqual({
    'the host': 'deploy@web-1',
    'the database': 'app_readonly@orders',
    'the guarded account': 'app_readwrite@orders',
    'another account': 'root@web-1',
    'another target': 'deploy@real',
    'another database': 'app_readonly@orders',
  })
  expect(scenes.parts).toEqual({
    alice: { groups: ['oncall'], roles: ['engineer'] },
    bob: { groups: ['leads'], roles: ['approver'] },
    rita: { groups: ['security'], roles: ['reviewer'] },
  })
})

test('a policy that wants an incident is told one that its pattern takes', () => {
  const incident = { pattern: '^INC-\\d+$', required: true }
  expect(find([policyOf({ reason: { minLength: 5, incident } })]).places.get('the host')?.incident).toBe('INC-0')
  expect(find([policyOf()]).places.get('the host')?.incident).toBeNull()
})

test('an account that another policy opens is not taken for one that none does', () => {
  const rooted = policyOf({ name: 'root', accounts: ['root'], targets: { names: ['web-1'], labels: {} } })
  expect(find([policyOf(), rooted]).places.get('another account')?.account).toBe('drill.nowhere')
})

describe('what cannot be rehearsed is left out, with a reason', () => {
  for (const { name, policy } of [
    { name: 'people only, no group', policy: policyOf({ who: { groups: [], users: ['alice'] } }) },
    { name: 'from elsewhere only', policy: policyOf({ from: ['10.0.0.0/8'] }) },
    {
      name: 'triggers that something outside must confirm',
      policy: policyOf({ triggers: [{ name: 'incident', require: { check: 'pager', onError: 'deny' } }] }),
    },
    { name: 'people on call only', policy: policyOf({ onCall: { check: 'pager', onError: 'deny' } }) },
    {
      name: 'an incident of a pattern that nobody guesses',
      policy: policyOf({ reason: { minLength: 5, incident: { pattern: '^[a-f0-9]{40}$', required: true } } }),
    },
    {
      name: 'not at this time',
      policy: policyOf({ windows: [{ days: [1], fromMinute: 0, toMinute: 60, zone: 'UTC' }] }),
    },
  ])
    test(name, () => {
      const scenes = find([policy])
      expect([...scenes.places.keys()]).toEqual([])
      expect(cannotPlay(scenes, ['the host'])).toContain('the host: no policy opens a canary')
    })

  test('no canary at all', () => {
    expect(cannotPlay(findScenes([policyOf()], [web1, orders], now), ['the database'])).toBe(
      'the database: no target is marked canary',
    )
  })

  test('what needs no such place is played', () => {
    expect(cannotPlay(find([policyOf()]), ['the host', 'the database'])).toBeUndefined()
    expect(cannotPlay(find([policyOf()]), ['the host', 'the gated account'])).toContain('the gated account')
  })
})
