// Other programs and what they cost: run to their end with a time limit, CPU time and memory as /proc tells them.

import { execFileSync, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

/** No single run of a client takes longer, on a machine ten times slower than ours. */
const RUN_LIMIT_MS = 300_000
/** Sealing what a round recorded is done by then. */
const QUIET_LIMIT_MS = 60_000
const QUIET_STEP_MS = 100
/** A process that used less of a step than this is idle: timers and keepalives. */
const QUIET_CPU_MS = 5

/** Environment of a client: nothing of ours but where programs are. */
export function clientEnvironment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: '/nonexistent', LC_ALL: 'C.UTF-8', ...more }
}

/**
 * Runs a program to its end and gives its standard output. `stdin` and `stdout` are paths; without `stdout` the output
 * is kept, with it the program writes there itself. Throws when it fails or takes more than five minutes.
 */
export async function runClient(
  file: string,
  args: readonly string[],
  options: { readonly env?: Record<string, string>; readonly stdin?: string; readonly stdout?: string } = {},
): Promise<string> {
  const input = openSync(options.stdin ?? '/dev/null', 'r')
  const output = options.stdout === undefined ? 'pipe' : openSync(options.stdout, 'w')
  const child = spawn(file, args, {
    env: options.env ?? clientEnvironment(),
    stdio: [input, output, 'pipe'],
    timeout: RUN_LIMIT_MS,
    killSignal: 'SIGKILL',
    // Without a terminal of ours no client asks a person.
    detached: true,
  })
  closeSync(input)
  if (typeof output === 'number') closeSync(output)
  let [printed, complaint] = ['', '']
  child.stdout?.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (complaint += chunk.toString()))
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (status !== 0) throw new Error(`${file} ended with ${status}: ${complaint || printed}`)
  return printed
}

/** Milliseconds that `run` takes. */
export async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await run()
  return performance.now() - start
}

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** CPU time of a process with all its threads so far, user and system, in ms. */
export function cpuMs(pid: number): number {
  // The name may contain spaces and parentheses: what follows its last one is plain (proc(5)).
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond
}

/** Resident memory of a process, bytes. */
export function residentBytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
  return Number(kilobytes) * 1024
}

/** Waits until a process has done what was left to do; a round must not pay for the one before. */
export async function quiet(pid: number): Promise<void> {
  const deadline = performance.now() + QUIET_LIMIT_MS
  for (let calm = 0; calm < 3 && performance.now() < deadline;) {
    const before = cpuMs(pid)
    await pause(QUIET_STEP_MS)
    calm = cpuMs(pid) - before < QUIET_CPU_MS * 2 ? calm + 1 : 0
  }
}

/** CPU time that `pid` spends on `run` and on what it leaves behind, ms. */
export async function cpuOf(pid: number, run: () => Promise<unknown>): Promise<number> {
  await quiet(pid)
  const before = cpuMs(pid)
  await run()
  await quiet(pid)
  return cpuMs(pid) - before
}
