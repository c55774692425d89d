// A command that waits at a prompt while the configuration changes: what its person may is what they may at the answer.

import { expect, test } from 'vitest'
import { personCommands } from '../../src/cli/person.ts'
import type { CommandPorts } from '../../src/cli/run.ts'
import { buildDirectory } from '../../src/identity/directory.ts'
import type { Identity, User } from '../../src/identity/user.ts'
import type { LockPorts } from '../../src/procedure/lock.ts'
import { people, ProcedureWorld } from '../procedure/world.ts'

const all = { scope: 'all', by: 'rita', at: 0, reason: 'keys are stolen' } as const

/** Runs a command of `name`; `meanwhile` happens while it waits for the code that is then given, and is right. */
async function run(world: ProcedureWorld, name: string, argv: readonly string[], meanwhile: () => void) {
  const user = world.directory.byName(name)
  if (user === undefined) throw new Error(`no ${name}`)
  const identity: Identity = { ...world.as(name), user }
  const said = { err: '', asked: 0 }
  const end: LockPorts = { ...world.end, state: world.state, knows: () => true }
  const ports: Partial<CommandPorts> = { clock: world.clock, mfa: world.mfa, state: world.state }
  const exit = await personCommands({ ...ports, end: { ...world.end, ...end } } as CommandPorts)(
    { identity, target: undefined, account: undefined },
    argv,
    {
      stdout: () => {},
      stderr: (text) => void (said.err += text),
      ask: async () => {
        said.asked++
        meanwhile()
        return world.code(name)
      },
      isTerminal: true,
      columns: 80,
      signal: new AbortController().signal,
    },
  )
  return { exit, ...said }
}

/** The same people, one of them changed; undefined: gone. */
function change(world: ProcedureWorld, name: string, to: Partial<User> | undefined): void {
  const changed = people.flatMap((one) => (one.name !== name ? [one] : to === undefined ? [] : [{ ...one, ...to }]))
  world.directory.replace(buildDirectory(changed))
}

const otherKey = { fingerprint: 'SHA256:new', type: 'ssh-ed25519', blob: 'bmV3', comment: 'new' }
const changes: readonly { readonly what: string; readonly to: Partial<User> | undefined }[] = [
  { what: 'has left', to: undefined },
  { what: 'is no admin any more', to: { roles: ['engineer'] } },
  { what: 'has another key', to: { keys: [otherKey] } },
]

for (const { what, to } of changes) {
  test(`unlock: who ${what} when the code comes unlocks nothing`, async () => {
    await using world = await ProcedureWorld.open()
    world.registry.locks.add(all)
    const ran = await run(world, 'adam', ['unlock', '--all', '--reason', 'found them'], () => change(world, 'adam', to))
    expect(ran).toMatchObject({ exit: 77, asked: 1 })
    expect(world.registry.locks.all()).toEqual([all])
  })

  test(`lock: who ${what} when the code comes locks nobody`, async () => {
    await using world = await ProcedureWorld.open()
    const words = ['lock', 'user', 'alice', '--reason', 'she annoys me']
    expect(await run(world, 'adam', words, () => change(world, 'adam', to))).toMatchObject({ exit: 77, asked: 1 })
    expect(world.registry.locks.all()).toEqual([])
  })

  test(`kill: who ${what} when the code comes kills nothing`, async () => {
    await using world = await ProcedureWorld.open()
    const words = ['kill', 'saaaaaaaaaaaa', '--reason', 'who are they']
    // An admin would be told that there is no such session.
    expect(await run(world, 'adam', words, () => change(world, 'adam', to))).toMatchObject({ exit: 77, asked: 1 })
  })
}

test('nothing changed: the admin unlocks with a fresh code', async () => {
  await using world = await ProcedureWorld.open()
  world.registry.locks.add(all)
  const ran = await run(world, 'adam', ['unlock', '--all', '--reason', 'found them'], () => {})
  expect(ran).toMatchObject({ exit: 0, asked: 1 })
  expect(world.registry.locks.all()).toEqual([])
})
