import { expect, test } from 'vitest'
import { buildDirectory } from '../../src/identity/directory.ts'
import { LiveDirectory } from '../../src/identity/live-directory.ts'
import type { User } from '../../src/identity/user.ts'

function person(name: string, groups: readonly string[] = [], key = name): User {
  return {
    name,
    groups,
    roles: ['approver'],
    keys: [{ fingerprint: `SHA256:${key}`, type: 'ssh-ed25519', blob: '', comment: '' }],
  }
}

const directory = (...people: User[]) => buildDirectory(people)

test('a person on an open connection reads the groups, roles and keys that are in force', () => {
  const live = new LiveDirectory(directory(person('bob', ['leads'])))
  const bob = live.byName('bob')
  expect(bob).toMatchObject({ groups: ['leads'], roles: ['approver'], isDisabled: false })
  live.replace(directory({ ...person('bob', [], 'new'), roles: ['engineer'] }))
  expect(bob).toMatchObject({ groups: [], roles: ['engineer'], isDisabled: false })
  expect(bob?.keys[0]?.fingerprint).toBe('SHA256:new')
  expect(live.byName('bob')).toBe(bob)
})

test('whoever left has nothing any more, and who comes back under the name is somebody else', () => {
  const live = new LiveDirectory(directory(person('alice', ['oncall']), person('bob')))
  const alice = live.byName('alice')
  live.replace(directory(person('bob')))
  expect(alice).toMatchObject({ groups: [], roles: [], keys: [], isDisabled: true })
  expect(live.byName('alice')).toBeUndefined()
  expect(live.byFingerprint('SHA256:alice')).toBeUndefined()
  live.replace(directory(person('alice', ['oncall'], 'other'), person('bob')))
  expect(alice?.isDisabled).toBe(true)
  expect(live.byName('alice')).toMatchObject({ groups: ['oncall'], isDisabled: false })
})

test('by name, by key and in the list it is one object', () => {
  const live = new LiveDirectory(directory(person('alice')))
  expect(live.byFingerprint('SHA256:alice')?.user).toBe(live.byName('alice'))
  expect(live.all()[0]).toBe(live.byName('alice'))
})
