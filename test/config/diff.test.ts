import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { diffConfig, MAX_CHANGES, needsRestart } from '../../src/config/diff.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { example, exampleFile, spoiled } from './example.ts'

const before = parseConfig(example, exampleFile)
const after = (piece: string, by: string) => parseConfig(spoiled(piece, by), exampleFile)

const changes: readonly { name: string; piece: string; by: string; want: readonly (string | RegExp)[] }[] = [
  { name: 'a comment alone', piece: '# complete', by: '#', want: [] },
  {
    name: 'a longer maximum',
    piece: 'duration: { default: 30m, max: 4h }',
    by: 'duration: { default: 30m, max: 8h }',
    want: ['policy production-host-emergency: duration.maxMs: 4h -> 8h'],
  },
  {
    name: 'somebody left a group',
    piece: 'groups: [leads]\n    roles: [engineer, approver]',
    by: 'groups: [leads, sre]\n    roles: [engineer, approver]',
    want: ['user bob: groups: +sre'],
  },
  {
    name: 'somebody disabled',
    piece: 'disabled: false',
    by: 'disabled: true',
    want: ['user adam: isDisabled: none -> true'],
  },
  {
    name: 'a weaker rule',
    piece: 'approval: [{ required: 1, from: { roles: [approver] } }]',
    by: 'approval: [{ required: 0 }]',
    want: [/^policy production-root: approval: -\{.*required 1.*\} \+\{.*required 0/],
  },
  {
    name: 'a window',
    piece: "from: '07:00', to: '22:00'",
    by: "from: '06:00', to: '22:00'",
    want: ['policy production-root: windows: -Mon-Fri 07:00-22:00 Europe/Berlin +Mon-Fri 06:00-22:00 Europe/Berlin'],
  },
  {
    name: 'an alert that goes elsewhere, without where',
    piece: 'https://alerts.example.com/halligan',
    by: 'https://alerts.example.com/other-token',
    want: ['channel security-desk: url: changed'],
  },
  {
    name: 'a renamed drill',
    piece: '- name: monthly',
    by: '- name: weekly',
    want: ['drill monthly: removed', 'drill weekly: added'],
  },
]
for (const { name, piece, by, want } of changes) {
  test(`told: ${name}`, () => {
    const text = piece === '# complete' ? `${example}\n# another comment\n` : spoiled(piece, by)
    const lines = diffConfig(before, parseConfig(text, exampleFile))
    expect(lines).toHaveLength(want.length)
    for (const [index, line] of want.entries()) expect(lines[index]).toMatch(line)
    expect(needsRestart(before, parseConfig(text, exampleFile))).toEqual([])
  })
}

const restarts = [
  { name: 'a port', piece: '{ host: 0.0.0.0, port: 2222 }', by: '{ host: 0.0.0.0, port: 2223 }' },
  { name: 'the state directory', piece: 'state: /var/lib/halligan', by: 'state: /srv/halligan' },
  { name: 'the key', piece: 'key: { credential: halligan-key }', by: 'key: { file: /etc/halligan/key }' },
  { name: 'the name of the machine', piece: 'hostname: bastion.example.com', by: 'hostname: other.example.com' },
]
for (const { name, piece, by } of restarts) {
  test(`${name} cannot change while Halligan runs`, () => {
    expect(needsRestart(before, after(piece, by)).length).toBeGreaterThan(0)
  })
}

test('the same configuration has no differences, and many are counted', () => {
  expect(diffConfig(before, before)).toEqual([])
  const users = Array.from({ length: 500 }, (_, index) => ({ name: `u${index}`, groups: [], roles: [], keys: [] }))
  const lines = diffConfig(before, { ...before, users: [...before.users, ...users] })
  expect(lines).toHaveLength(MAX_CHANGES + 1)
  expect(lines.at(-1)).toBe(`and ${500 - MAX_CHANGES} more`)
})

test('whatever the values are, a difference is told in short printable lines, and only then', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 400, unit: 'binary' }), fc.string({ maxLength: 20 }), (hostile, other) => {
      const [policy, ...rest] = before.policies
      if (policy === undefined) throw new Error('the example has policies')
      const change = (text: string) => ({
        ...before,
        policies: [{ ...policy, review: { ...policy.review, checklist: [text] } }, ...rest],
      })
      const lines = diffConfig(change(hostile), change(other))
      expect(lines.length).toBe(hostile === other ? 0 : 1)
      for (const line of lines) {
        expect(line).not.toMatch(/[\p{Cc}\u2028\u2029]/u)
        expect(line.length).toBeLessThan(400)
      }
    }),
    { numRuns: 500 },
  )
})
