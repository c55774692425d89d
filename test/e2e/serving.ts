// `halligan serve` in a process of its own, as an operator runs it: killed, stopped and started again on the same state.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { cleanEnv } from '../support/terminal.ts'
import type { Surroundings } from './surroundings.ts'

export const mainFile: string = resolve(import.meta.dirname, '../../src/main.ts')

/** How long a start may take before the test says what was printed instead. */
const START_LIMIT_MS = 30_000
/** Halligan gives sessions 10 s to be sealed when it stops. */
const STOP_LIMIT_MS = 20_000

export class Serving {
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  #printed = ''

  /** `prefix`: a command that runs it somewhere else, such as in a mount namespace. */
  constructor({ configFile }: Surroundings, prefix: readonly string[] = []) {
    const [file, ...args] = [...prefix, process.execPath, mainFile, 'serve', '--config', configFile]
    this.#child = spawn(file ?? '', args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: cleanEnv({ HALLIGAN_LOG: 'warn' }),
    })
    this.#exited = once(this.#child, 'exit')
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (chunk: Buffer) => (this.#printed += chunk.toString()))
  }

  /** Starts one and waits until it serves; `ssh` finds it from then on. */
  static async start(surroundings: Surroundings, prefix?: readonly string[]): Promise<Serving> {
    const serving = new Serving(surroundings, prefix)
    try {
      const [, host = '', port = ''] = await serving.says(/serves ssh (\S+):(\d+),/)
      surroundings.reach({ host, port: Number(port) })
      return serving
    } catch (error) {
      await serving.kill()
      throw error
    }
  }

  get printed(): string {
    return this.#printed
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  get isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = Date.now() + START_LIMIT_MS
    for (;;) {
      const match = pattern.exec(this.#printed)
      if (match !== null) return match
      if (this.isOver || Date.now() > deadline) throw new Error(`expected ${String(pattern)}, saw: ${this.#printed}`)
      await pause(20)
    }
  }

  /** kill -9, as a crash would. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  /** Ends it as an operator does; gives its exit status, or fails when it does not end in time. */
  async stop(): Promise<number | null> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS)
    this.#child.kill('SIGTERM')
    await this.#exited
    clearTimeout(timer)
    if (this.#child.signalCode !== null)
      throw new Error(`it had to be killed after ${STOP_LIMIT_MS} ms: ${this.#printed}`)
    return this.#child.exitCode
  }
}
