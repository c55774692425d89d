import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { run } from '../support/terminal.ts'

const main = resolve(import.meta.dirname, '../../src/main.ts')
const example = resolve(import.meta.dirname, '../../config/halligan.example.yaml')
const policy = (...args: string[]) => run(process.execPath, [main, 'policy', ...args, '--config', example])

test('the policies of a file are asked on the machine: why, and who could get what', async () => {
  const why = await policy('explain', 'alice', 'web-1', '--account', 'root', '--at', '2026-11-22T03:00', '--json')
  expect(why.status).toBe(0)
  expect(JSON.parse(why.stdout.toString())).toMatchObject({
    outcome: 'deny',
    rule: 'production-root/windows',
    chosen: null,
  })
  const who = await policy('simulate', '--at', '2026-11-23T12:00', '--from', '10.0.0.1', '--json')
  expect((JSON.parse(who.stdout.toString()) as { rows: object[] }).rows).toContainEqual(
    expect.objectContaining({ user: 'alice', account: 'root', target: 'web-1', required: 1 }),
  )
}, 60_000)

const mistakes = [
  { name: 'a time that is none', args: ['simulate', '--at', 'soon'] },
  { name: 'a person that is none', args: ['explain', 'nobody', 'web-1'] },
  { name: 'a target that is none', args: ['explain', 'alice', 'nowhere'] },
  { name: 'no target', args: ['explain', 'alice'] },
  { name: 'an address that is none', args: ['simulate', '--from', 'home'] },
]
for (const { name, args } of mistakes)
  test(`a mistake with its own exit status: ${name}`, async () => {
    const ran = await policy(...args)
    expect(ran.status).toBe(64)
    expect(ran.stderr).toMatch(/^halligan: /)
    expect(ran.stdout.toString()).toBe('')
  }, 60_000)
