import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_LOGIN_LENGTH, parseLogin } from '../../src/sshwire/login.ts'

const names = { users: new Set(['alice', 'bob']), targets: new Set(['web-1', 'orders']) }
const target = (user: string | undefined, account: string | undefined, name: string) => ({
  kind: 'target',
  user,
  account,
  target: name,
})

test.for([
  { login: 'alice', want: { kind: 'user', user: 'alice' } },
  { login: 'web-1', want: target(undefined, undefined, 'web-1') },
  { login: 'root@web-1', want: target(undefined, 'root', 'web-1') },
  { login: 'alice+web-1', want: target('alice', undefined, 'web-1') },
  { login: 'alice+root@web-1', want: target('alice', 'root', 'web-1') },
  { login: 'alice:root@web-1', want: target('alice', 'root', 'web-1') },
  { login: 'alice#web-1', want: target('alice', undefined, 'web-1') },
  { login: 'alice web-1', want: target('alice', undefined, 'web-1') },
  { login: 'alice+svc+deploy@web-1', want: target('alice', 'svc+deploy', 'web-1') },
  { login: 'alice+me@corp@web-1', want: target('alice', 'me@corp', 'web-1') },
  // Unknown names parse like known ones: who asks must not learn which exist.
  { login: 'mallory+web-1', want: target('mallory', undefined, 'web-1') },
  { login: 'alice+nowhere', want: target('alice', undefined, 'nowhere') },
  { login: 'nowhere', want: target(undefined, undefined, 'nowhere') },
  { login: 'alice+alice', want: target('alice', undefined, 'alice') },
  { login: '__proto__', want: target(undefined, undefined, '__proto__') },
])('$login', ({ login, want }) => {
  expect(parseLogin(login, names)).toEqual(want)
})

test.for([
  { name: 'empty', login: '' },
  { name: 'only a separator', login: '+' },
  { name: 'no user', login: '+web-1' },
  { name: 'no target', login: 'alice+' },
  { name: 'no target behind an account', login: 'alice+root@' },
  { name: 'no account', login: 'alice+@web-1' },
  { name: 'two targets', login: 'alice+root@web-1+web-2' },
  { name: 'three parts without account', login: 'alice+web-1+orders' },
  { name: 'an address as user', login: 'root@web-1+orders' },
  { name: 'a path', login: 'alice+../web-1' },
  { name: 'a line break', login: 'alice\n+web-1' },
  { name: 'an escape sequence', login: 'alice+\x1b[2Jweb-1' },
  { name: 'a zero byte', login: 'alice\0+web-1' },
  { name: 'a look-alike', login: 'аlice+web-1' },
  { name: 'a change of direction', login: 'alice+\u202eweb-1' },
  { name: 'too long', login: `alice+${'a'.repeat(MAX_LOGIN_LENGTH)}` },
])('$name is malformed', ({ login }) => {
  expect(parseLogin(login, names).kind).toBe('malformed')
})

test('any text parses, and no part holds what could be read twice', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('alice', 'root', 'web-1', '+', ' ', ':', '#', '@', '/', '\n') }),
  )
  fc.assert(
    fc.property(texts, (login) => {
      const parsed = parseLogin(login, names)
      if (parsed.kind !== 'target') return
      expect(parsed.target).toMatch(/^[^+ :#@/]+$/)
      expect(parsed.user ?? 'x').toMatch(/^[^+ :#@]+$/)
      expect(parsed.account).not.toBe('')
    }),
  )
})
