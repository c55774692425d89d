import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Actor } from '../../src/drill/actor.ts'
import { ownClients } from '../../src/drill/clients.ts'
import { runStory } from '../../src/drill/runner.ts'
import { type Scene, Stage } from '../../src/drill/stage.ts'
import type { Place, Player, Story } from '../../src/drill/step.ts'
import { parseStory } from '../../src/drill/story.ts'
import { parseInstallationKey } from '../../src/ledger/note-key.ts'
import { has } from '../support/clients.ts'
import { verifyAll } from '../e2e/evidence.ts'
import { beyond } from './beyond.ts'
import { House, startTargets, storyFolder, type Targets } from './house.ts'
import { Lanes } from './lanes.ts'
import { clientFolder, realClients } from './real-clients.ts'

// Every story of this folder, played by alice, carol, bob, rita and adam on a whole Halligan with real targets. What it
// says is what an auditor reads; what happened is verified afterwards, offline.

const files = readdirSync(storyFolder).filter((file) => file.endsWith('.txt'))
const lanes = new Lanes()
let targets: Targets

beforeAll(async () => {
  if (has('postgres')) targets = await startTargets()
})
afterAll(() => targets?.stop())

const host: Scene = {
  kind: 'host',
  target: 'web-1',
  account: 'deploy',
  policy: null,
  trigger: 'customer-impact',
  incident: null,
  database: null,
}
const database: Scene = { ...host, kind: 'database', target: 'orders', account: 'app_readonly' }
const scenes: Readonly<Record<Place, Scene>> = {
  'the host': host,
  'the database': database,
  'the guarded account': { ...database, account: 'app_readwrite' },
  'the gated account': { ...host, account: 'gated' },
  'the held account': { ...host, account: 'held' },
  'another target': { ...host, target: 'web-9' },
  'another account': { ...host, account: 'root' },
  'another database': { ...database, database: 'payroll' },
}

describe.concurrent('stories', () => {
  for (const file of files)
    test.runIf(has('postgres'))(file, { timeout: 120_000 }, async () => {
      const parsed = parseStory(readFileSync(join(storyFolder, file), 'utf8'), 'test')
      if (parsed.kind === 'error') throw new Error(`${file}:${parsed.line}: ${parsed.message}`)
      using _lane = await lanes.enter()
      await play(parsed.story)
    })
})

/** What a story says happens, and what is left of it verifies. */
async function play(story: Story): Promise<void> {
  const house = await House.start(targets)
  try {
    const result = await runStory(story, stageOf(house), house.clock, AbortSignal.timeout(80_000))
    const broken = result.steps.filter(({ outcome }) => outcome !== 'as-expected')
    expect(broken).toEqual([])
    await house.stop()
    const { report } = await verifyAll({
      state: join(house.folder, 'state'),
      recordings: house.recordings,
      publicKeyFile: house.publicKeyFile,
    })
    expect(report.findings).toEqual([])
  } finally {
    await house.close()
  }
}

function stageOf(house: House): Stage {
  const { bastion } = house
  const actors = new Map<Player, Actor>()
  const actor = (player: Player): Actor => {
    const known = actors.get(player) ?? house.actor(player)
    actors.set(player, known)
    return known
  }
  return new Stage({
    clock: house.clock,
    state: bastion.state,
    recordings: house.recordings,
    key: parseInstallationKey(readFileSync(house.publicKeyFile, 'utf8')),
    ssh: { ...bastion.ssh, hostKey: bastion.installation.sshHostPublicKey },
    postgres: { ...bastion.postgres, ca: house.postgresCa },
    clients: has('ssh', 'psql') ? realClients(clientFolder(house.folder)) : ownClients,
    actor,
    scene: (place) => scenes[place],
    failRecorder: () => {
      house.isDiskFull = true
    },
    until: async (at) => house.clock.advance(at - house.clock.now()),
    beyond: beyond(house, actor, (place) => scenes[place]),
  })
}
