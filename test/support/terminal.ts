import { spawn as spawnPty, type IPty } from 'node-pty'
import { spawn } from 'node:child_process'

/** How long a real client may take to say what is expected before the test says what it saw instead. */
const EXPECT_TIMEOUT_MS = 15_000

/** A real program on a pseudo-terminal: what a person sees and types. */
export class Terminal {
  readonly #pty: IPty
  #seen = ''
  /** Everything before it has been expected already. */
  #mark = 0
  readonly #waiting = new Set<() => void>()
  readonly exited: Promise<number>
  #isOver = false

  constructor(
    file: string,
    args: readonly string[],
    options: { cwd?: string; env?: Record<string, string>; cols?: number; rows?: number } = {},
  ) {
    this.#pty = spawnPty(file, [...args], {
      name: 'xterm-256color',
      cols: options.cols ?? 120,
      rows: options.rows ?? 30,
      cwd: options.cwd ?? process.cwd(),
      env: options.env ?? cleanEnv(),
    })
    const { promise, resolve } = Promise.withResolvers<number>()
    this.exited = promise
    this.#pty.onData((data) => {
      this.#seen += data
      this.#wake()
    })
    this.#pty.onExit(({ exitCode }) => {
      this.#isOver = true
      this.#wake()
      resolve(exitCode)
    })
  }

  get pid(): number {
    return this.#pty.pid
  }

  /** All that was shown so far. */
  get screen(): string {
    return this.#seen
  }

  type(text: string): void {
    this.#pty.write(text)
  }

  resize(cols: number, rows: number): void {
    this.#pty.resize(cols, rows)
  }

  /** Resolves with the match when `pattern` is shown after the last expectation; fails with what was shown instead. */
  async expect(pattern: RegExp | string, timeoutMs: number = EXPECT_TIMEOUT_MS): Promise<RegExpExecArray> {
    const regex = typeof pattern === 'string' ? new RegExp(pattern.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')) : pattern
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const match = regex.exec(this.#seen.slice(this.#mark))
      if (match !== null) {
        this.#mark += match.index + match[0].length
        return match
      }
      const left = deadline - Date.now()
      if (left <= 0 || this.#isOver)
        throw new Error(
          `expected ${String(regex)}, ${this.#isOver ? 'but it ended after' : 'saw'}: ${JSON.stringify(this.#seen.slice(this.#mark))}`,
        )
      await this.#change(left)
    }
  }

  /** Ends the program if it has not ended by itself. */
  close(): void {
    if (!this.#isOver) this.#pty.kill('SIGKILL')
  }

  #change(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#waiting.delete(done)
        resolve()
      }
      const timer = setTimeout(done, timeoutMs)
      this.#waiting.add(done)
    })
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
  }
}

/** The environment of a stranger: nothing of ours but where programs are. */
export function cleanEnv(more: Record<string, string> = {}): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: '/nonexistent',
    LANG: 'C.UTF-8',
    TERM: 'xterm-256color',
    ...more,
  }
}

export interface Ran {
  readonly status: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** Runs a real program to its end, without a terminal. Killed, and failed, after `timeoutMs`. */
export function run(
  file: string,
  args: readonly string[],
  options: { input?: Buffer | string; env?: Record<string, string>; cwd?: string; timeoutMs?: number } = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    // A session of its own, so that ssh finds no terminal of ours to ask on.
    const child = spawn(file, args, { env: options.env ?? cleanEnv(), cwd: options.cwd, detached: true, stdio: 'pipe' })
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`${file} ${args.join(' ')} did not end: ${Buffer.concat(stderr).toString()}`))
    }, options.timeoutMs ?? 30_000)
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
    child.on('error', reject)
    child.stdin.on('error', () => {
      // The program may close its input early: its status tells.
    })
    child.on('close', (status) => {
      clearTimeout(timer)
      resolve({ status, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() })
    })
    if (options.input !== undefined) child.stdin.write(options.input)
    child.stdin.end()
  })
}
