// What the demo's tests need of the machine: programs of ours that can be killed, and a bounded look at what is left.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll } from 'vitest'

/**
 * Gives this test file, and what it starts, a temporary directory of its own: demos that other files run at the same time
 * are not counted. To be called before anything else.
 */
export function ownTemporaryDirectory(): void {
  // Short: PostgreSQL's socket lies below, and a socket's path has 107 bytes.
  const made = mkdtempSync(join(tmpdir(), 'hd-'))
  // As the system's own: whoever made a folder in it removes it.
  chmodSync(made, 0o1777)
  process.env['TMPDIR'] = made
  afterAll(() => rmSync(made, { recursive: true, force: true }))
}

/** Names of the demo's folders in the temporary directory. */
export function demoFolders(prefix: string): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith(`halligan-${prefix}-`))
}

/** Whether a process exists (a zombie counts as gone only for its parent). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Waits until `done` holds, looking every 50 ms; fails after `limitMs`. */
export async function until(done: () => boolean, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs
  while (!done()) {
    if (performance.now() > deadline) throw new Error(`still not so after ${limitMs} ms: ${done.toString()}`)
    await pause(50)
  }
}

/** Runs a module text under our Node and gives its process and the first line it prints, parsed as JSON. */
export async function runModule(text: string): Promise<{ child: ChildProcess; first: unknown }> {
  // Our end of its standard input closes however we end: it must not outlive a test that was killed.
  const guarded = `process.stdin.resume().on('end', () => process.exit(1))\n${text}`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', guarded], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })
  const [line] = (await once(lines, 'line')) as [string]
  return { child, first: JSON.parse(line) as unknown }
}
