import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { mayApprove } from '../../src/access/approval.ts'
import { Current } from '../../src/bastion/current.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { Secrets } from '../../src/config/secrets.ts'
import { example, exampleFile } from '../config/example.ts'
import { grantOf } from '../support/grant.ts'

const secrets = new Secrets(
  new Map(),
  generateKeyPairSync('x25519').privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32),
)
const config = parseConfig(example, exampleFile)
const without = (piece: string, by: string) => {
  expect(example).toContain(piece)
  return parseConfig(
    example.replace(piece, () => by),
    exampleFile,
  )
}

test('a policy that was replaced stays readable for grants made under it, by its hash', () => {
  const current = new Current(config, secrets)
  const old = config.policies[1]
  current.replace(without('duration: { default: 30m, max: 4h }', 'duration: { default: 30m, max: 1h }'), secrets)
  const now = current.config.policies[1]
  expect(now?.duration.maxMs).toBe(3_600_000)
  expect(now?.hash).not.toBe(old?.hash)
  expect(current.policyOf(old?.hash ?? '')).toEqual(old)
  expect(current.policyOf('0'.repeat(64))).toBeUndefined()
})

test('an approver who leaves the group no longer counts for what they have not decided, on a connection that is open', () => {
  const current = new Current(config, secrets)
  const bob = current.directory.byName('bob')
  const need = {
    rule: 'p/approval[0]',
    required: 1,
    override: null,
    from: { groups: ['leads'], roles: [] },
  }
  const request = grantOf(0, { state: 'requested', user: 'alice' })
  expect(bob !== undefined && mayApprove(need, request, bob)).toBe(true)
  const carol = example.replace(
    '  - name: rita',
    () => `  - name: carol\n    groups: [leads]\n    roles: [approver]\n    keys: [${otherKey}]\n  - name: rita`,
  )
  current.replace(
    parseConfig(
      carol.replace('groups: [leads]\n    roles: [engineer, approver]', 'roles: [engineer, approver]'),
      exampleFile,
    ),
    secrets,
  )
  expect(bob !== undefined && mayApprove(need, request, bob)).toBe(false)
})

test('whoever lost the key they came with is known no more on that connection, and with another key is', () => {
  const current = new Current(config, secrets)
  const adam = current.directory.byName('adam')
  const key = adam?.keys[0]
  if (adam === undefined || key === undefined) throw new Error('the example has adam')
  const old = { user: adam, fingerprint: key.fingerprint }
  expect(current.knows(old)).toBe(true)
  current.replace(without(key.blob, otherKey.split(' ')[1] ?? ''), secrets)
  expect(current.knows(old)).toBe(false)
  expect(current.knows({ user: adam, fingerprint: adam.keys[0]?.fingerprint ?? '' })).toBe(true)
  expect(current.knows({ user: adam, fingerprint: 'web' })).toBe(true)
  current.replace(without('disabled: false', 'disabled: true'), secrets)
  expect(current.knows({ user: adam, fingerprint: 'web' })).toBe(false)
  expect(current.directory.byName('adam')).toBeUndefined()
})

const otherKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQd2eX1DKFO1J0Q0S5HyO3hS2nq7bM0mN0c1hQm3x5k'
