// Giving back is one word for whoever broke the glass; whoever merely holds the key is asked for a code first.

import { Command } from 'commander'
import { expect, test } from 'vitest'
import { addAccessCommands } from '../../src/cli/access-commands.ts'
import type { CommandPorts, Run } from '../../src/cli/run.ts'
import type { Identity } from '../../src/identity/user.ts'
import { ProcedureWorld } from '../procedure/world.ts'

async function end(world: ProcedureWorld, identity: Identity, typed: readonly string[] = []) {
  const { clock, access, mfa, state, end: ending } = world
  const ports: Partial<CommandPorts> = { clock, access, mfa, state }
  const said = { out: '', asked: 0 }
  const lines = [...typed]
  const run: Run = {
    ports: { ...ports, end: ending } as CommandPorts,
    caller: { identity, target: undefined, account: undefined },
    io: {
      stdout: (text) => void (said.out += text),
      stderr: () => {},
      ask: async () => {
        said.asked++
        return lines.shift()
      },
      isTerminal: false,
      columns: 80,
      signal: new AbortController().signal,
    },
    exit: 0,
  }
  const root = new Command('halligan').exitOverride()
  addAccessCommands(root, run)
  const how = await root.parseAsync(['end'], { from: 'user' }).then(
    () => 'done',
    (error: { code: string }) => error.code,
  )
  return { how, ...said }
}

async function opened(world: ProcedureWorld): Promise<string> {
  const grant = await world.access.request(await world.proven('alice'), {
    target: 'web-1',
    reason: 'checkout is down',
  })
  return grant.id
}

test('who broke the glass gives it back with one word, for as long as the grant lives', async () => {
  await using world = await ProcedureWorld.open()
  const id = await opened(world)
  world.clock.advance(25 * 60_000)
  const given = await end(world, world.as('alice'))
  expect(given).toMatchObject({ how: 'done', asked: 0 })
  expect(given.out).toMatch(new RegExp(`^thank you, alice: ${id} is given back`))
})

test('the key alone, from elsewhere, ends nobody’s emergency', async () => {
  await using world = await ProcedureWorld.open()
  const id = await opened(world)
  expect(await end(world, world.as('alice', '198.51.100.7'))).toMatchObject({ how: 'mfa_required', asked: 1 })
  expect(world.registry.live(id)?.id).toBe(id)
  world.clock.advance(30_000)
  const given = await end(world, world.as('alice', '198.51.100.7'), [world.code('alice')])
  expect(given).toMatchObject({ how: 'done', asked: 1 })
  expect(world.registry.live(id)).toBeUndefined()
})
