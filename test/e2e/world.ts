import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { readDemoJson, type DemoContract } from '../../src/demo/demo-json.ts'
import { STEP_MS, totpCode } from '../../src/identity/totp.ts'
import { run, Terminal, type Ran } from '../support/terminal.ts'

const main = resolve(import.meta.dirname, '../../src/main.ts')

/** How long a demo may take to accept connections before the test says what it printed instead. */
const START_TIMEOUT_MS = 60_000

/** The whole demo in a process of its own, on free ports, as a stranger would run it; real clients go to it. */
export class World {
  readonly state: string
  readonly #printed: string[] = []
  readonly #terminals: Terminal[] = []
  /** The last step a user's code was given out for: none is given out twice. */
  readonly #steps = new Map<string, number>()
  #child: ChildProcess | undefined
  #contract: DemoContract | undefined

  private constructor(state: string) {
    this.state = state
  }

  static async start(options: { readonly state?: string } = {}): Promise<World> {
    const world = new World(options.state ?? mkdtempSync(join(tmpdir(), 'halligan-e2e-')))
    try {
      await world.boot()
    } catch (error) {
      await world.close()
      throw error
    }
    return world
  }

  /** Starts the demo on this world's state directory; also after `kill`, as an operator would. */
  async boot(): Promise<void> {
    const args = [main, 'demo', '--state', this.state, '--port-base', '0']
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, HALLIGAN_LOG: 'error' },
    })
    this.#child = child
    const before = this.printed.length
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => this.#printed.push(chunk.toString()))
    const deadline = Date.now() + START_TIMEOUT_MS
    while (!this.printed.slice(before).includes('Code for alice')) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`the demo did not start: ${this.printed}`)
      await new Promise((wake) => setTimeout(wake, 50))
    }
    this.#contract = readDemoJson(this.state)
  }

  /** What the present demo and those before it on this state printed. */
  get printed(): string {
    return this.#printed.join('')
  }

  get demo(): DemoContract {
    if (this.#contract === undefined) throw new Error('the demo does not run')
    return this.#contract
  }

  /** The next code of a user that was not given out before; waits for it when the clock is not there yet. */
  async code(user: string): Promise<string> {
    const secret = this.demo.users[user]?.totpSecret ?? ''
    // The step before the present one counts as well, but not one that is about to be two behind when it arrives.
    const oldest = Math.floor((Date.now() + STEP_MS / 2) / STEP_MS) - 1
    const step = Math.max((this.#steps.get(user) ?? 0) + 1, oldest)
    this.#steps.set(user, step)
    // One step ahead is within the tolerance.
    const waitMs = (step - 1) * STEP_MS - Date.now()
    if (waitMs > 0) await new Promise((wake) => setTimeout(wake, waitMs + 100))
    return totpCode(secret, step * STEP_MS)
  }

  /** `ssh -F … ARGS` on a terminal. */
  ssh(...args: string[]): Terminal {
    return this.terminal('/usr/bin/ssh', ['-F', join(this.state, 'ssh_config'), ...args])
  }

  terminal(file: string, args: readonly string[]): Terminal {
    const terminal = new Terminal(file, args)
    this.#terminals.push(terminal)
    return terminal
  }

  /** `ssh -F … ARGS` without a terminal, run to its end. */
  async exec(args: readonly string[], input?: Buffer | string): Promise<Ran> {
    return run('/usr/bin/ssh', ['-F', join(this.state, 'ssh_config'), ...args], input === undefined ? {} : { input })
  }

  /** Breaks the glass on a target of alice's by the prompts, and leaves her at what follows. */
  async breakGlass(alias: 'web-1' | 'orders', ...command: string[]): Promise<Terminal> {
    const terminal = this.ssh('-t', alias, ...command)
    for (;;) {
      const [prompt] = await terminal.expect(
        /Code: |Trigger [^\n]*: |Reason: |recorded, grant|postgresql:\/\/|halligan: /,
      )
      if (prompt === 'Code: ') terminal.type(`${await this.code('alice')}\r`)
      else if (prompt.startsWith('Trigger')) terminal.type('\r')
      else if (prompt === 'Reason: ') terminal.type('checkout is down\r')
      else return terminal
    }
  }

  /** A code of the user's, given once: for some minutes nothing asks them for another. */
  async signIn(user: string): Promise<void> {
    const ran = await this.exec([user, 'web'], `${await this.code(user)}\n`)
    if (ran.status !== 0) throw new Error(`${user} could not sign in: ${ran.stderr}`)
  }

  /** A grant of alice's, asked for by command once she has signed in. Gives its id. */
  async grant(target: 'web-1' | 'orders', lasts: string): Promise<string> {
    const ask = ['alice', 'request', target, '--for', lasts, '--trigger', 'customer-impact', '--json']
    const ran = await this.exec([...ask, '--reason', '"checkout is down"'])
    if (ran.status !== 0) throw new Error(`no grant on ${target}: ${ran.stderr}`)
    return (JSON.parse(ran.stdout.toString()) as { readonly id: string }).id
  }

  /** A connection string to `orders` under alice's live grant. */
  async dsn(...options: string[]): Promise<string> {
    const ran = await this.exec(['orders', ['dsn', ...options].join(' ')])
    if (ran.status !== 0) throw new Error(`no dsn: ${ran.stderr}`)
    return ran.stdout.toString().trim()
  }

  /** Real psql, without a terminal and without anybody's settings. */
  async psql(dsn: string, ...args: string[]): Promise<Ran> {
    return run('/usr/bin/psql', ['-X', dsn, ...args])
  }

  /** `halligan ARGS` as the local operator runs it. */
  async local(...args: string[]): Promise<Ran> {
    return run(process.execPath, [main, ...args])
  }

  /** kill -9, as a crash would. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  /** Ctrl-C, as at the end of the day; the state directory stays. Gives the demo's exit status. */
  async stop(): Promise<number | null> {
    for (const terminal of this.#terminals) terminal.close()
    const child = this.#child
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit')
      child.kill('SIGINT')
      await exited
    }
    return child?.exitCode ?? null
  }

  /** Stops it, then all that is left of the world goes. Gives the demo's exit status. */
  async close(): Promise<number | null> {
    const status = await this.stop()
    rmSync(this.state, { recursive: true, force: true })
    return status
  }
}

/** The configuration the demo wrote, for tests that run the real thing on it. */
export function demoConfig(world: World): string {
  return readFileSync(join(world.state, 'halligan.yaml'), 'utf8')
}
