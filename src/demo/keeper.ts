// What the demo's real servers and shells leave on the machine ends with the demo, however the demo ends. A keeper is a
// small `sh` in a session of its own that holds one temporary folder and the process groups below it. It waits at the
// end of our pipe: when we close it, or are killed and the kernel closes it, the keeper ends every process and removes
// the folder. A clean end and a `kill -9` take the same path.
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { HalliganError } from '../errors.ts'
import type { Account } from './account.ts'

/** The signals' 4.3 s, and a file system that is slow to delete 100 MB. */
const LONGEST_END_MS = 30_000

/**
 * stdin: `+ PGID` for a process group that belongs to the folder, `- PGID` when it is gone. At end of file HUP ends
 * shells, 0.3 s later QUIT ends PostgreSQL at once (its files are thrown away), 2 s later KILL the rest. Descendants
 * that left their process group are found by the mark in their environment where /proc shows it.
 */
const SCRIPT = `
folder=$1 mark=$2 groups=
while read -r what group; do
  kept=
  for each in $groups; do [ "$each" = "$group" ] || kept="$kept $each"; done
  groups=$kept
  [ "$what" = + ] && groups="$groups $group"
done
members() {
  for each in $groups; do kill -s 0 -- "-$each" 2>/dev/null && echo "-$each"; done
  grep -l -a -F -e "$mark" /proc/[0-9]*/environ 2>/dev/null | sed 's|^/proc/||; s|/environ$||'
}
end() {
  for step in HUP:3 QUIT:20 KILL:20; do
    signal=\${step%:*} rounds=\${step#*:} round=0
    while [ $round -lt $rounds ]; do
      left=$(members)
      [ -z "$left" ] && return
      [ $round = 0 ] && kill -s $signal -- $left 2>/dev/null
      [ $round = 0 ] && kill -s CONT -- $left 2>/dev/null
      round=$((round + 1))
      sleep 0.1
    done
  done
}
end
cd /
rm -rf -- "$folder"
`

export interface Keeper {
  /** `NAME=value` for the environment of every child, by which its own children are found again. */
  readonly mark: { readonly name: string; readonly value: string }
  /** A process group leader that must not outlive us. */
  hold(groupId: number): void
  /** The process group is gone; its number may belong to somebody else soon. */
  release(groupId: number): void
  /** Ends what is held and removes the folder; resolves when both are done. Throws `internal` after 30 s. */
  end(): Promise<void>
}

/** Starts the keeper of `folder`, which `account` must own; it runs as that account. */
export function startKeeper(folder: string, account: Account): Keeper {
  const mark = { name: 'HALLIGAN_DEMO', value: randomBytes(12).toString('hex') }
  const child = spawn('sh', ['-c', SCRIPT, 'halligan-demo-keeper', folder, `${mark.name}=${mark.value}`], {
    ...account.ids,
    // Its own session: a terminal's Ctrl-C must not end the keeper before we are through.
    detached: true,
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // Without a keeper nothing may run: whoever holds a group finds out at the next write.
  let failure: Error | undefined
  child.on('error', (error) => (failure = error))
  child.stdin.on('error', (error) => (failure ??= error))
  const tell = (line: string) => {
    if (failure) throw new HalliganError('internal', 'the demo cannot clean up after itself', { cause: failure })
    child.stdin.write(line)
  }
  child.unref()
  return {
    mark,
    hold: (groupId) => tell(`+ ${groupId}\n`),
    release: (groupId) => {
      if (!failure) child.stdin.write(`- ${groupId}\n`)
    },
    end: () => endKeeper(child, folder),
  }
}

async function endKeeper(child: ChildProcess, folder: string): Promise<void> {
  if (child.pid === undefined)
    throw new HalliganError('internal', `sh did not start; ${folder} stays`, { hint: `remove ${folder}` })
  child.stdin?.end()
  if (child.exitCode !== null || child.signalCode !== null) return
  child.ref()
  const tooLong = AbortSignal.timeout(LONGEST_END_MS)
  await once(child, 'exit', { signal: tooLong }).catch((cause: unknown) => {
    throw new HalliganError('internal', `the demo could not clean up ${folder}`, { cause, hint: `remove ${folder}` })
  })
}
