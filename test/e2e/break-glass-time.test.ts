// How long breaking the glass takes where nobody thinks or types: ssh to the first prompt, beside ssh direct to the same
// target. Printed with its ratio, never held to a number: a machine may be busy.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { has } from '../support/clients.ts'
import { demoConfig, World } from './world.ts'

const ROUNDS = 5
/** What the demo's shell shows when it is ready. */
const PROMPT = /web-1:[^\n]*\$ $/

let world: World
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'halligan-direct-'))
  world = await World.start()
})

afterAll(async () => {
  await world?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** From the command to the first prompt, every question answered as it comes. */
async function throughHalligan(): Promise<number> {
  const from = performance.now()
  const shell = world.ssh('-t', 'web-1')
  let thinkingMs = 0
  for (;;) {
    const [shown] = await shell.expect(/Code: |Trigger [^\n]*: |Reason: |web-1:[^\n]*\$ |halligan: /)
    if (shown === 'Code: ') {
      // Waiting for the next code of the clock is not Halligan's time.
      const asked = performance.now()
      const code = await world.code('alice')
      thinkingMs += performance.now() - asked
      shell.type(`${code}\r`)
    } else if (shown.startsWith('Trigger')) shell.type('\r')
    else if (shown === 'Reason: ') shell.type('checkout is down\r')
    else break
  }
  const ms = performance.now() - from - thinkingMs
  expect(shell.screen).toMatch(PROMPT)
  shell.type('exit 0\r')
  await shell.exited
  await world.exec(['alice', 'end'])
  return ms
}

/** The options for the stock client to log in to the demo's target as Halligan does, past Halligan. */
function directOptions(): string[] {
  const { targets } = parse(demoConfig(world)) as {
    targets: { name: string; host: string; port: number; accounts: string[] }[]
  }
  const target = targets.find(({ name }) => name === 'web-1')
  const key = join(folder, 'key')
  writeFileSync(key, readFileSync(join(world.state, 'secrets', 'web-1-key')))
  chmodSync(key, 0o600)
  const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'IdentitiesOnly=yes', 'LogLevel=ERROR']
  const place = ['-p', String(target?.port), `${target?.accounts[0]}@${target?.host}`]
  return ['-F', '/dev/null', '-t', '-i', key, ...options.flatMap((option) => ['-o', option]), ...place]
}

async function direct(options: readonly string[]): Promise<number> {
  const from = performance.now()
  const shell = world.terminal('/usr/bin/ssh', options)
  await shell.expect(/web-1:[^\n]*\$ /)
  const ms = performance.now() - from
  shell.type('exit 0\r')
  await shell.exited
  return ms
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

test.runIf(has('ssh'))('breaking the glass costs little beside the way without it', { timeout: 120_000 }, async () => {
  const options = directOptions()
  await direct(options)
  const withCode = await throughHalligan()
  const broken: number[] = []
  const plain: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    plain.push(await direct(options))
    broken.push(await throughHalligan())
  }
  const [ours, theirs] = [median(broken), median(plain)]
  console.info(
    `breaking the glass to the first prompt: ${Math.round(ours)} ms (with the code ${Math.round(withCode)} ms), ` +
      `ssh direct ${Math.round(theirs)} ms: ${(ours / theirs).toFixed(2)} x`,
  )
  // Not the promise, but what no machine should need.
  expect(ours).toBeLessThan(10_000)
})
