// A whole Halligan for stories: real targets and a real sink, people of the stories' names, and a clock that can be moved
// ahead. The journal lies on files that a test may break.
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { startBastion, type Bastion } from '../../src/bastion/bastion.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { loadSecrets } from '../../src/config/secrets.ts'
import { startDemoPostgres, type DemoPostgres } from '../../src/demo/postgres-server.ts'
import { startDemoSshTarget, type DemoSshTarget } from '../../src/demo/ssh-target.ts'
import { Actor } from '../../src/drill/actor.ts'
import { players, type Player } from '../../src/drill/step.ts'
import { newTotpSecret } from '../../src/identity/totp.ts'
import { type FileSystem, systemFiles } from '../../src/journal/file-port.ts'
import { newEd25519Key } from '../../src/sshwire/new-key.ts'
import { systemError } from '../journal/watched-files.ts'
import { Receiver } from '../notify/receiver.ts'
import { MovingClock } from '../support/moving-clock.ts'

export const storyFolder: string = resolve(import.meta.dirname)
const webRoot = resolve(import.meta.dirname, '../../web/dist')

/** Who is who: groups and roles as a small team has them. */
const team: Readonly<Record<Player, { readonly groups: readonly string[]; readonly roles: readonly string[] }>> = {
  alice: { groups: ['oncall'], roles: ['engineer'] },
  carol: { groups: ['leads'], roles: ['approver'] },
  bob: { groups: ['leads'], roles: ['approver'] },
  rita: { groups: ['security'], roles: ['reviewer'] },
  adam: { groups: [], roles: ['admin'] },
}

/** The YAML key is a word that no object of ours should have. */
const letsGo = JSON.parse('{"then":"allow"}') as Record<string, string>

/** Targets are started once for all stories: they hold nothing of a story. */
export interface Targets {
  readonly postgres: DemoPostgres
  readonly ssh: DemoSshTarget
  stop(): Promise<void>
}

export async function startTargets(): Promise<Targets> {
  const [postgres, ssh] = await Promise.all([
    startDemoPostgres({ now: Date.now() }),
    startDemoSshTarget({ name: 'web-1', accounts: ['deploy', 'gated', 'held'] }),
  ])
  return {
    postgres,
    ssh,
    stop: async () => {
      await Promise.all([postgres.stop(), ssh.stop()])
    },
  }
}

interface Person {
  readonly keys: readonly [string, string]
  readonly publicKeys: readonly string[]
  readonly totpSecret: string
}

export interface HouseOptions {
  /** Left out of it: a target without `canary: true`. */
  readonly canaries?: readonly string[]
  readonly drills?: readonly unknown[]
}

export class House {
  readonly folder: string
  readonly clock = new MovingClock()
  /** Where alerts go. */
  readonly bell = new Receiver()
  readonly targets: Targets
  /** Set: from then on no line becomes durable. */
  isDiskFull = false
  readonly #people = new Map<Player, Person>()
  readonly #options: HouseOptions
  #text = ''
  #bastion: Bastion | undefined

  private constructor(folder: string, targets: Targets, options: HouseOptions) {
    this.folder = folder
    this.targets = targets
    for (const player of players) {
      const keys = [newEd25519Key(player), newEd25519Key(`${player}-other`)] as const
      this.#people.set(player, {
        keys: [keys[0].privateKey, keys[1].privateKey],
        publicKeys: keys.map(({ publicKey }) => publicKey),
        totpSecret: newTotpSecret(),
      })
    }
    this.#keepSecrets()
    this.#options = options
  }

  static async start(targets: Targets, options: HouseOptions = {}): Promise<House> {
    const folder = mkdtempSync(join(tmpdir(), 'halligan-story-'))
    const house = new House(folder, targets, options)
    try {
      house.#text = stringify(house.#config(await house.bell.start()))
      await house.boot()
      for (const [player, { totpSecret }] of house.#people) await house.bastion.enrol(player, totpSecret)
    } catch (error) {
      await house.close()
      throw error
    }
    return house
  }

  get bastion(): Bastion {
    if (this.#bastion === undefined) throw new Error('no bastion runs')
    return this.#bastion
  }

  /** Starts the bastion on this state; also after a stop. */
  async boot(): Promise<void> {
    const config = parseConfig(this.#text, join(this.folder, 'halligan.yaml'))
    this.#bastion = await startBastion({
      config,
      secrets: loadSecrets(config.secrets, process.env),
      clock: this.clock,
      webRoot,
      stories: storyFolder,
      journalFiles: this.#files(),
    })
  }

  async stop(): Promise<void> {
    await this.#bastion?.close()
    this.#bastion = undefined
  }

  /** A person of the story with nothing used up yet. */
  readonly actor = (player: Player): Actor => {
    const person = this.#people.get(player)
    if (person === undefined) throw new Error(`nobody plays ${player}`)
    return new Actor({ name: player, ...person }, this.clock)
  }

  get recordings(): string {
    return join(this.folder, 'state', 'recordings')
  }

  get publicKeyFile(): string {
    return join(this.folder, 'state', 'halligan.pub')
  }

  get postgresCa(): string {
    return readFileSync(this.bastion.installation.postgres.caFile, 'utf8')
  }

  async close(): Promise<void> {
    await this.stop()
    await this.bell.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  #files(): FileSystem {
    const files = systemFiles()
    const mustHaveRoom = (): void => {
      if (this.isDiskFull) throw systemError('ENOSPC')
    }
    return {
      ...files,
      write: (fd, bytes, position) => {
        mustHaveRoom()
        return files.write(fd, bytes, position)
      },
      datasync: (fd) => {
        mustHaveRoom()
        files.datasync(fd)
      },
    }
  }

  #keepSecrets(): void {
    const folder = join(this.folder, 'secrets')
    mkdirSync(folder, { mode: 0o700 })
    const { postgres, ssh } = this.targets
    const secrets = {
      'web-1-key': ssh.privateKey,
      readonly: postgres.passwords.app_readonly,
      readwrite: postgres.passwords.app_readwrite,
      webhook: `whsec_${randomBytes(32).toString('base64')}`,
    }
    for (const [name, value] of Object.entries(secrets)) writeFileSync(join(folder, name), value, { mode: 0o600 })
    writeFileSync(join(this.folder, 'key'), randomBytes(32).toString('base64'), { mode: 0o600 })
  }

  #config(bell: string): unknown {
    const { canaries = ['web-1', 'orders'], drills = [] } = this.#options
    const host = '127.0.0.1'
    const { postgres, ssh } = this.targets
    const policy = {
      who: { groups: ['oncall'] },
      triggers: ['customer-impact'],
      reason: { minLength: 5 },
      duration: { default: '30m', max: '2h', extensions: { count: 1, self: true } },
      mfa: { methods: ['totp'], remember: '10m' },
      alerts: { channels: ['bell'] },
      review: { within: '8h', by: { roles: ['reviewer'] } },
    }
    return {
      hostname: 'localhost',
      state: join(this.folder, 'state'),
      listen: { ssh: { host, port: 0 }, postgres: { host, port: 0 }, web: { host, port: 0 } },
      journal: { segment: '1MiB' },
      secrets: { directory: join(this.folder, 'secrets'), key: { file: join(this.folder, 'key') } },
      users: players.map((name) => ({ name, ...team[name], keys: this.#people.get(name)?.publicKeys })),
      targets: [
        {
          name: 'web-1',
          kind: 'ssh',
          ...(canaries.includes('web-1') ? { canary: true } : {}),
          accounts: ['deploy', 'gated', 'held'],
          host: ssh.host,
          port: ssh.port,
          hostKeys: [ssh.hostKey],
          credential: 'web-1-key',
        },
        {
          name: 'orders',
          kind: 'postgres',
          ...(canaries.includes('orders') ? { canary: true } : {}),
          accounts: ['app_readonly', 'app_readwrite'],
          host: postgres.host,
          port: postgres.port,
          databases: [postgres.database],
          ca: postgres.ca,
          serverName: 'localhost',
          credentials: { app_readonly: 'readonly', app_readwrite: 'readwrite' },
        },
      ],
      channels: [{ name: 'bell', kind: 'webhook', url: bell, secret: 'webhook', outside: true }],
      drills,
      policies: [
        { ...policy, name: 'hosts', targets: { names: ['web-1'] }, accounts: ['deploy'], approval: [{ required: 0 }] },
        {
          ...policy,
          name: 'gated',
          targets: { names: ['web-1'] },
          accounts: ['gated'],
          approval: [{ required: 0 }],
          alerts: { channels: ['bell'], gate: { accepted: 1, within: '2s', otherwise: 'deny' } },
        },
        {
          ...policy,
          name: 'held',
          targets: { names: ['web-1'] },
          accounts: ['held'],
          approval: [{ required: 0 }],
          alerts: {
            channels: ['bell'],
            gate: { accepted: 1, within: '1s', otherwise: 'hold', holdMax: '1s', ...letsGo },
          },
        },
        {
          ...policy,
          name: 'databases',
          targets: { names: ['orders'] },
          accounts: ['app_readonly', 'app_readwrite'],
          approval: [
            { when: { account: 'app_readonly' }, required: 0 },
            { required: 1, from: { groups: ['leads'] }, override: { after: '2m', reasonMinLength: 40 } },
          ],
        },
      ],
    }
  }
}
