// A whole Halligan for stories: real targets and a real sink, people of the stories' names, and a clock that can be moved
// ahead. The journal lies on files that a test may break.
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { startBastion, type Bastion } from '../../src/bastion/bastion.ts'
import { readConfiguration } from '../../src/config/reading.ts'
import { startDemoPostgres, type DemoPostgres } from '../../src/demo/postgres-server.ts'
import { startDemoSshTarget, type DemoSshTarget } from '../../src/demo/ssh-target.ts'
import { Actor } from '../../src/drill/actor.ts'
import { players, type Player } from '../../src/drill/step.ts'
import { newTotpSecret } from '../../src/identity/totp.ts'
import { type FileSystem, systemFiles } from '../../src/journal/file-port.ts'
import { newEd25519Key } from '../../src/sshwire/new-key.ts'
import { systemError } from '../journal/watched-files.ts'
import { Receiver } from '../notify/receiver.ts'
import { type HouseOptions, type Written, writtenConfig } from './configuration.ts'
import { SteppingClock } from './stepping-clock.ts'

export const storyFolder: string = resolve(import.meta.dirname)
const webRoot = resolve(import.meta.dirname, '../../web/dist')

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

export class House {
  readonly folder: string
  readonly clock = new SteppingClock()
  /** Where alerts go at first. */
  readonly bell = new Receiver()
  /** What only this machine should ask: something inside, or a place that nobody agreed on. */
  readonly elsewhere = new Receiver()
  readonly targets: Targets
  /** Set: from then on no line becomes durable. */
  isDiskFull = false
  readonly #people = new Map<Player, Person>()
  #written: Written | undefined
  #elsewhereUrl = ''
  #bastion: Bastion | undefined

  private constructor(folder: string, targets: Targets) {
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
  }

  static async start(targets: Targets, options: HouseOptions = {}): Promise<House> {
    const folder = mkdtempSync(join(tmpdir(), 'halligan-story-'))
    const house = new House(folder, targets)
    try {
      house.#elsewhereUrl = await house.elsewhere.start()
      const keysOf = (player: Player) => house.#people.get(player)?.publicKeys ?? []
      house.#write(writtenConfig(folder, await house.bell.start(), targets, keysOf, options))
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
    const read = () => readConfiguration(this.#file, {})
    const reading = read()
    if (reading.kind === 'bad') throw new Error(reading.problem)
    this.#bastion = await startBastion({
      config: reading.config,
      secrets: reading.secrets,
      clock: this.clock,
      read,
      webRoot,
      stories: storyFolder,
      journalFiles: this.#files(),
    })
  }

  /** Writes the file anew and has it taken up. Throws what a person is told when it is refused. */
  async reconfigure(change: (written: Written) => Written): Promise<void> {
    if (this.#written === undefined) throw new Error('nothing is written yet')
    this.#write(change(this.#written))
    await this.bastion.reload?.('a story')
  }

  /** The URL of `elsewhere`. */
  get elsewhereUrl(): string {
    return this.#elsewhereUrl
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
    await this.elsewhere.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  get #file(): string {
    return join(this.folder, 'halligan.yaml')
  }

  /** In one step, as editors do it. */
  #write(written: Written): void {
    this.#written = written
    writeFileSync(`${this.#file}.new`, stringify(written), { mode: 0o600 })
    renameSync(`${this.#file}.new`, this.#file)
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
}
