import { expect, test } from 'vitest'
import { buildDirectory, directoryConflicts } from '../../src/identity/directory.ts'
import type { User, UserKey } from '../../src/identity/user.ts'

const key = (fingerprint: string): UserKey => ({ fingerprint, type: 'ssh-ed25519', blob: 'AAAA', comment: '' })
const user = (name: string, ...fingerprints: string[]): User => ({
  name,
  groups: [],
  roles: ['engineer'],
  keys: fingerprints.map(key),
})

test('a person is found by name and by each of their keys', () => {
  const alice = user('alice', 'SHA256:a1', 'SHA256:a2')
  const directory = buildDirectory([alice, user('bob', 'SHA256:b')])
  expect(directory.byName('alice')).toBe(alice)
  expect(directory.byFingerprint('SHA256:a2')).toEqual({ user: alice, key: key('SHA256:a2') })
  expect(directory.all().map(({ name }) => name)).toEqual(['alice', 'bob'])
})

test('nobody is found by what is on every object', () => {
  const directory = buildDirectory([user('alice', 'SHA256:a')])
  for (const name of ['__proto__', 'constructor', 'toString', '']) {
    expect(directory.byName(name)).toBeUndefined()
    expect(directory.byFingerprint(name)).toBeUndefined()
  }
})

const clashes = [
  { name: 'one key under two users', users: [user('alice', 'SHA256:k'), user('bob', 'SHA256:k')], kind: 'key' },
  { name: 'one key twice under one user', users: [user('alice', 'SHA256:k', 'SHA256:k')], kind: 'key' },
  { name: 'two users of one name', users: [user('alice'), user('alice')], kind: 'name' },
  { name: 'names that differ in case only', users: [user('alice'), user('Alice')], kind: 'name' },
]
for (const { name, users, kind } of clashes) {
  test(`${name} is refused`, () => {
    expect(directoryConflicts(users).map((conflict) => conflict.kind)).toEqual([kind])
    expect(() => buildDirectory(users)).toThrow(expect.objectContaining({ code: 'config_invalid' }))
  })
}
