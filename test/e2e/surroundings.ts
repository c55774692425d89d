// What a Halligan stands in: targets, sinks, people, configuration. All of it lives in the test's process, so that it
// outlives a bastion that is killed or whose disk is full, and can say what it received.
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Client } from 'pg'
import { parse, stringify } from 'yaml'
import { startBastion } from '../../src/bastion/bastion.ts'
import { systemClock } from '../../src/clock.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { loadSecrets, type Secrets } from '../../src/config/secrets.ts'
import type { Config } from '../../src/config/config.ts'
import { startDemoPostgres, type DemoPostgres } from '../../src/demo/postgres-server.ts'
import { startDemoSinks, type DemoSinks } from '../../src/demo/sinks.ts'
import { writeSshConfig } from '../../src/demo/ssh-config.ts'
import { startDemoSshTarget, type DemoSshTarget } from '../../src/demo/ssh-target.ts'
import { demoUsers, type DemoUser } from '../../src/demo/users.ts'
import { STEP_MS, totpCode } from '../../src/identity/totp.ts'
import { cleanEnv, Terminal } from '../support/terminal.ts'

export interface SurroundingsOptions {
  /** Engineers, each with a key and a second factor of their own: a code is good once, a new person needs no waiting. */
  readonly engineers: readonly string[]
  /** `journal.segment` */
  readonly segment: string
  /** The recordings in a folder of their own (the default here), or below the state as Halligan's default is. */
  readonly recordings?: 'apart' | 'below the state'
  /** Where alerts go; without it to `sinks`. */
  readonly webhook?: string
  /** The alert gate of every policy, in YAML; the channel then counts as outside. */
  readonly gate?: string
  /** The scope of the policy for hosts, in YAML. */
  readonly scope?: string
}

const clock = systemClock()
const webRoot = resolve(import.meta.dirname, '../../web/dist')

export class Surroundings {
  /** 0700; state, configuration and secrets lie in it. */
  readonly folder: string
  readonly state: string
  readonly recordings: string
  readonly configFile: string
  /** Where the targets' accounts may write and the test may read. */
  readonly drop: string
  readonly engineers: readonly DemoUser[]
  readonly postgres: DemoPostgres
  readonly sshTarget: DemoSshTarget
  readonly sinks: DemoSinks
  readonly configText: string
  /** What an operator pins: the argument of `verify --key`. */
  publicKeyFile = ''
  #hostKey = ''
  readonly #opened: AsyncDisposableStack
  readonly #terminals: Terminal[] = []
  /** The last step a user's code was given out for: none is given out twice. */
  readonly #steps = new Map<string, number>()

  private constructor(
    folder: string,
    parts: { postgres: DemoPostgres; sshTarget: DemoSshTarget; sinks: DemoSinks },
    options: SurroundingsOptions,
    opened: AsyncDisposableStack,
  ) {
    this.#opened = opened
    this.folder = folder
    this.state = join(folder, 'state')
    this.recordings = join(
      options.recordings === undefined || options.recordings === 'apart' ? folder : this.state,
      'recordings',
    )
    this.drop = join(folder, 'drop')
    this.configFile = join(folder, 'halligan.yaml')
    for (const path of [this.state, this.recordings]) mkdirSync(path, { mode: 0o700 })
    mkdirSync(this.drop)
    // Accounts of the targets reach the drop, and nothing beside it.
    chmodSync(this.drop, 0o777)
    chmodSync(folder, 0o711)
    this.postgres = parts.postgres
    this.sshTarget = parts.sshTarget
    this.sinks = parts.sinks
    const people = [...options.engineers, 'rita'].map((name) => ({ name, groups: [] }))
    const users = demoUsers(join(folder, 'users'), people)
    this.engineers = users.filter(({ name }) => name !== 'rita')
    this.#keepSecrets()
    this.configText = stringify(this.#config(users, options))
    writeFileSync(this.configFile, this.configText, { mode: 0o600 })
  }

  /** Starts everything but the bastion, and enrols the engineers. */
  static async start(options: SurroundingsOptions): Promise<Surroundings> {
    await using opened = new AsyncDisposableStack()
    const folder = mkdtempSync(join(tmpdir(), 'halligan-e2e-'))
    opened.defer(() => rmSync(folder, { recursive: true, force: true }))
    const kept = <T extends { stop(): Promise<void> }>(part: T): T => {
      opened.defer(() => part.stop())
      return part
    }
    const [postgres, sshTarget, sinks] = await Promise.all([
      startDemoPostgres({ now: clock.now() }).then(kept),
      startDemoSshTarget({ name: 'web-1', accounts: ['deploy'] }).then(kept),
      startDemoSinks({ now: () => clock.now() }).then(kept),
    ])
    const surroundings = new Surroundings(folder, { postgres, sshTarget, sinks }, options, opened.move())
    try {
      await surroundings.#enrol()
    } catch (error) {
      await surroundings.close()
      throw error
    }
    return surroundings
  }

  /** The configuration as a bastion in this process takes it. */
  get bastionOptions(): { config: Config; secrets: Secrets; clock: typeof clock; webRoot: string } {
    const config = parseConfig(this.configText, this.configFile)
    return { config, secrets: loadSecrets(config.secrets, process.env), clock, webRoot }
  }

  /** Writes what `ssh` needs to find the bastion: alias `USER.TARGET` for every engineer and target. */
  reach(ssh: { readonly host: string; readonly port: number }): void {
    const entries = this.engineers.flatMap((user) =>
      ['web-1', 'orders'].map((target) => ({
        alias: `${user.name}.${target}`,
        login: `${user.name}+${target}`,
        user,
      })),
    )
    writeSshConfig({ folder: this.folder, ...ssh, hostKeys: [this.#hostKey], entries })
  }

  /** Arguments of ssh and scp up to the destination. */
  get sshArguments(): string[] {
    return ['-F', join(this.folder, 'ssh_config')]
  }

  terminal(file: string, args: readonly string[]): Terminal {
    const terminal = new Terminal(file, args, { env: cleanEnv() })
    this.#terminals.push(terminal)
    return terminal
  }

  /** Breaks the glass by the prompts, and leaves the terminal at what follows. */
  async breakGlass(user: string, target: 'web-1' | 'orders', ...command: string[]): Promise<Terminal> {
    const terminal = this.terminal('/usr/bin/ssh', [...this.sshArguments, '-t', `${user}.${target}`, ...command])
    for (;;) {
      const [prompt] = await terminal.expect(/Code: |Reason: |recorded, grant|postgresql:\/\/|halligan: /)
      if (prompt === 'Code: ') terminal.type(`${this.code(user)}\r`)
      else if (prompt === 'Reason: ') terminal.type('checkout is down\r')
      else return terminal
    }
  }

  /** A connection URI of the user, the glass broken. */
  async dsn(user: string): Promise<string> {
    const terminal = await this.breakGlass(user, 'orders', 'dsn')
    const [rest] = await terminal.expect(/\S+/)
    await terminal.exited
    return `postgresql://${rest}`
  }

  /** A code of the user's, each given out once. Fails where there is none yet: a test that wants more takes another user. */
  code(user: string): string {
    const secret = this.engineers.find(({ name }) => name === user)?.totpSecret
    if (secret === undefined) throw new Error(`no engineer ${user}`)
    // One step each way is within the tolerance.
    const now = Math.floor(clock.now() / STEP_MS)
    const step = Math.max((this.#steps.get(user) ?? 0) + 1, now - 1)
    if (step > now + 1) throw new Error(`${user} has no code left for now`)
    this.#steps.set(user, step)
    return totpCode(secret, step * STEP_MS)
  }

  /** Asks the database itself, past Halligan. */
  async ask<Row>(sql: string): Promise<Row[]> {
    const { host, port, ca, superuser, database } = this.postgres
    const client = new Client({ host, port, database, ...superuser, ssl: { ca, servername: 'localhost' } })
    await client.connect()
    try {
      return (await client.query(sql)).rows as Row[]
    } finally {
      await client.end()
    }
  }

  async close(): Promise<void> {
    for (const terminal of this.#terminals) terminal.close()
    await this.#opened.disposeAsync()
  }

  async #enrol(): Promise<void> {
    const bastion = await startBastion(this.bastionOptions)
    try {
      this.publicKeyFile = bastion.installation.publicKeyFile
      this.#hostKey = bastion.installation.sshHostPublicKey
      for (const { name, totpSecret } of this.engineers) await bastion.enrol(name, totpSecret)
    } finally {
      await bastion.close()
    }
  }

  #keepSecrets(): void {
    const folder = join(this.folder, 'secrets')
    mkdirSync(folder, { mode: 0o700 })
    const secrets = {
      'web-1-key': this.sshTarget.privateKey,
      'orders-password': this.postgres.passwords.app_readwrite,
      webhook: `whsec_${randomBytes(32).toString('base64')}`,
    }
    for (const [name, value] of Object.entries(secrets)) writeFileSync(join(folder, name), value, { mode: 0o600 })
    writeFileSync(join(this.folder, 'key'), randomBytes(32).toString('base64'), { mode: 0o600 })
  }

  #config(users: readonly DemoUser[], { engineers, segment, webhook, gate, scope }: SurroundingsOptions): unknown {
    const { postgres, sshTarget, sinks } = this
    const host = '127.0.0.1'
    const policy = (name: string, target: string, account: string, files: 'full' | 'hash') => ({
      name,
      who: { users: engineers },
      targets: { names: [target] },
      accounts: [account],
      triggers: ['customer-impact'],
      reason: { minLength: 5 },
      duration: { default: '30m', max: '2h' },
      approval: [{ required: 0 }],
      alerts: { channels: ['sink'], ...(gate === undefined ? {} : { gate: parse(gate) as unknown }) },
      ...(scope === undefined || target !== 'web-1' ? {} : { scope: parse(scope) as unknown }),
      review: { within: '8h', by: { roles: ['reviewer'] } },
      recording: { files },
    })
    const person = ({ name, publicKey }: DemoUser) => ({
      name,
      roles: [name === 'rita' ? 'reviewer' : 'engineer'],
      keys: [publicKey],
    })
    return {
      hostname: 'localhost',
      state: this.state,
      recordings: this.recordings,
      listen: { ssh: { host, port: 0 }, postgres: { host, port: 0 }, web: { host, port: 0 } },
      journal: { segment },
      // Small disks are filled here to see what the journal does; floors would be there first.
      recording: { bulkBelow: '0%', endBelow: '0%' },
      secrets: { directory: join(this.folder, 'secrets'), key: { file: join(this.folder, 'key') } },
      users: users.map(person),
      targets: [
        {
          name: 'web-1',
          kind: 'ssh',
          accounts: ['deploy'],
          host: sshTarget.host,
          port: sshTarget.port,
          hostKeys: [sshTarget.hostKey],
          credential: 'web-1-key',
        },
        {
          name: 'orders',
          kind: 'postgres',
          accounts: ['app_readwrite'],
          host: postgres.host,
          port: postgres.port,
          databases: [postgres.database],
          ca: postgres.ca,
          serverName: 'localhost',
          credentials: { app_readwrite: 'orders-password' },
        },
      ],
      channels: [
        {
          name: 'sink',
          kind: 'webhook',
          url: webhook ?? sinks.webhook,
          secret: 'webhook',
          outside: gate !== undefined,
        },
      ],
      policies: [policy('hosts', 'web-1', 'deploy', 'hash'), policy('databases', 'orders', 'app_readwrite', 'full')],
    }
  }
}
