import { setTimeout as pause } from 'node:timers/promises'

/** What another process does is looked at again and again; nothing tells us. */
const LOOK_MS = 5
const LIMIT_MS = 20_000

/** Resolves when `holds`; fails after 20 s, saying what was waited for. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + LIMIT_MS
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`still not so: ${what}`)
    await pause(LOOK_MS)
  }
}
