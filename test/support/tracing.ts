// The system calls of a running process, as strace saw them: in the order in which the kernel was entered and left.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { programPath } from './clients.ts'

/** How long strace may take to attach to every thread. */
const ATTACH_LIMIT_MS = 10_000
/** Long enough for a line of the journal among others of its batch. */
const SHOWN_BYTES = 2048

/** Whether this machine lets us trace; where it does not, says so, and what is not tested for that. */
export function canTrace(whatIsLeftOut: string): boolean {
  const strace = programPath('strace')
  if (strace === undefined) return false
  // Attaching is what containers forbid; one process of ours is to another what Halligan is to strace here.
  const tried = spawnSync('sh', ['-c', 'sleep 1 & exec "$0" -o /dev/null -e trace=none -p $!', strace])
  const isPossible = !/not permitted|denied|not implemented/i.test(String(tried.stderr))
  if (!isPossible) console.warn(`left out: ${whatIsLeftOut} (needs leave to ptrace)`)
  return isPossible
}

/** One moment of a call. What a call was given stands in both of its moments. */
export interface Moment {
  readonly kind: 'entered' | 'left'
  readonly name: string
  /** As strace prints it: descriptors with what they are, strings escaped. */
  readonly given: string
  /** Of `left`. */
  readonly result: string
}

export class Tracing {
  readonly #strace: ChildProcess
  readonly #file: string

  private constructor(strace: ChildProcess, file: string) {
    this.#strace = strace
    this.#file = file
  }

  /** Attaches to a process and all its threads; `calls` as `-e trace=` takes them. The trace is kept in `file`. */
  static async attach(pid: number, calls: readonly string[], file: string): Promise<Tracing> {
    const args = [
      '-f',
      '-y',
      '-s',
      String(SHOWN_BYTES),
      '-e',
      `trace=${calls.join(',')}`,
      '-o',
      file,
      '-p',
      String(pid),
    ]
    const strace = spawn(programPath('strace') ?? 'strace', args, { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    const attached = new Promise<void>((resolve, reject) => {
      const fail = () => reject(new Error(`strace did not attach: ${said}`))
      const timer = setTimeout(fail, ATTACH_LIMIT_MS)
      strace.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        if (!said.includes('attached')) return
        clearTimeout(timer)
        resolve()
      })
      strace.once('exit', fail)
    })
    try {
      await attached
    } catch (error) {
      strace.kill('SIGKILL')
      throw error
    }
    return new Tracing(strace, file)
  }

  /** Lets go of the process, which runs on, and gives what it did. */
  async detach(): Promise<Moment[]> {
    if (this.#strace.exitCode === null && this.#strace.signalCode === null) {
      const exited = once(this.#strace, 'exit')
      this.#strace.kill('SIGINT')
      await exited
    }
    return parseTrace(readFileSync(this.#file, 'utf8'))
  }
}

/** The moments in a trace of several threads. Lines that are no calls, such as signals, are passed over. */
export function parseTrace(text: string): Moment[] {
  const moments: Moment[] = []
  const open = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, thread = '', rest = ''] = /^(?:\[pid +)?(\d+)\]? +(.*)$/.exec(line) ?? []
    const [, resumed, end = '', result = ''] = /^<\.\.\. (\w+) resumed>(.*)\) += (.*)$/.exec(rest) ?? []
    if (resumed !== undefined) {
      moments.push({ kind: 'left', name: resumed, given: `${open.get(thread) ?? ''}${end}`, result })
      continue
    }
    const [, begun, unfinished = ''] = /^(\w+)\((.*) <unfinished \.\.\.>$/.exec(rest) ?? []
    if (begun !== undefined) {
      open.set(thread, unfinished)
      moments.push({ kind: 'entered', name: begun, given: unfinished, result: '' })
      continue
    }
    const [, name, given = '', outcome = ''] = /^(\w+)\((.*)\) += (.*)$/.exec(rest) ?? []
    if (name === undefined) continue
    moments.push({ kind: 'entered', name, given, result: '' }, { kind: 'left', name, given, result: outcome })
  }
  return moments
}
