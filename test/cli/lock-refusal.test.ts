import { expect, test } from 'vitest'
import { lockRefusal } from '../../src/cli/lock-commands.ts'
import type { Identity, Role } from '../../src/identity/user.ts'
import { Locks } from '../../src/session/locks.ts'

function identity(name: string, roles: readonly Role[]): Identity {
  return { user: { name, groups: [], roles, keys: [] }, fingerprint: `SHA256:${name}`, address: '127.0.0.1' }
}
const alice = identity('alice', ['engineer'])
const adam = identity('adam', ['admin'])
const rita = identity('rita', ['reviewer'])

const cases: { name: string; locked: string[]; who: Identity; argv: string[]; refused: boolean }[] = [
  { name: 'nothing is locked', locked: [], who: alice, argv: ['whoami'], refused: false },
  { name: 'somebody else is locked', locked: ['user:bob'], who: alice, argv: ['whoami'], refused: false },
  {
    name: 'a target is locked: commands are none',
    locked: ['target:web-1'],
    who: alice,
    argv: ['grants'],
    refused: false,
  },
  { name: 'the person is locked', locked: ['user:alice'], who: alice, argv: ['help'], refused: true },
  { name: 'everything is locked', locked: ['all'], who: rita, argv: ['reviews'], refused: true },
  { name: 'everything is locked, an admin looks', locked: ['all'], who: adam, argv: ['sessions'], refused: true },
  {
    name: 'everything is locked, an admin unlocks',
    locked: ['all'],
    who: adam,
    argv: ['unlock', '--all'],
    refused: false,
  },
  {
    name: 'everything is locked, an engineer unlocks',
    locked: ['all'],
    who: alice,
    argv: ['unlock', '--all'],
    refused: true,
  },
  {
    name: 'a locked admin does not unlock themselves',
    locked: ['user:adam'],
    who: adam,
    argv: ['unlock', 'user', 'adam'],
    refused: true,
  },
  {
    name: 'nor with everything locked',
    locked: ['user:adam', 'all'],
    who: adam,
    argv: ['unlock', '--all'],
    refused: true,
  },
  { name: 'no command at all', locked: ['all'], who: adam, argv: [], refused: true },
]
for (const { name, locked, who, argv, refused } of cases)
  test(`${refused ? 'refused' : 'goes on'}: ${name}`, () => {
    const locks = new Locks()
    for (const scope of locked) locks.add({ scope, by: 'eva', at: 0, reason: 'stolen laptop' })
    expect(lockRefusal(locks, who, argv)?.code).toBe(refused ? 'denied' : undefined)
  })

test('writes of locks take turns, also after one that failed', async () => {
  const locks = new Locks()
  const order: string[] = []
  const slow = Promise.withResolvers<void>()
  const first = locks.inTurn(async () => {
    await slow.promise
    order.push('first')
    throw new Error('disk')
  })
  const second = locks.inTurn(async () => order.push('second'))
  slow.resolve()
  await expect(first).rejects.toThrow('disk')
  await second
  expect(order).toEqual(['first', 'second'])
})
