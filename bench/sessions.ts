// What a session costs: the time to get in with the code remembered, and the memory of one in which nothing happens.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Installation } from './installation.ts'
import { clientEnvironment, quiet, residentBytes, runClient, timed } from './process.ts'
import { median, rounds } from './rounds.ts'
import type { Sizes } from './sizes.ts'
import { absentRow, factorRow, figure, type Row } from './table.ts'

const MOST_IDLE_KIB = 100
/** Opened and closed before memory is looked at: what the first sessions bring stays. */
const WARM_UP = 16
/** At most 16 of one address may be on their way in (ssh/server.ts). */
const AT_A_TIME = 8

/** `ssh web true` beside `ssh -J`. */
export async function connectRows(place: Installation, sizes: Sizes): Promise<Row[]> {
  const { ssh } = place.programs
  if (ssh === undefined) return [absentRow('connect', '≤ 0.5×', 'left out: apt-get install openssh-client')]
  const way = (host: string) => async () => {
    const ms = await timed(() => runClient(ssh, [...place.sshOptions, host, 'true']))
    await quiet(place.bastionPid)
    return ms
  }
  const measured = await rounds(sizes.connects, {
    halligan: way('web-hash'),
    jumped: way('jumped'),
    direct: way('direct'),
  })
  return [
    factorRow({
      what: '`ssh web true`, code remembered, grant live',
      unit: 'ms',
      halligan: median(measured.halligan),
      beside: { name: `direct ${median(measured.direct).toFixed(0)} ms; ssh -J`, value: median(measured.jumped) },
      bound: { at: 'most', factor: 0.5 },
    }),
  ]
}

/** Memory of the bastion's process for each idle shell, garbage collected before and after. */
export async function idleRows(place: Installation, sizes: Sizes): Promise<Row[]> {
  const { ssh } = place.programs
  if (ssh === undefined) return [absentRow('idle sessions', '≤ 100 KiB', 'left out: apt-get install openssh-client')]
  await closeAll(await openShells(ssh, place, Math.min(WARM_UP, sizes.idleSessions)))
  const settled = async () => {
    await quiet(place.bastionPid)
    await place.collect()
    return residentBytes(place.bastionPid)
  }
  const before = await settled()
  const shells = await openShells(ssh, place, sizes.idleSessions)
  const after = await settled()
  await closeAll(shells)
  await quiet(place.bastionPid)
  const each = (after - before) / sizes.idleSessions / 1024
  return [
    {
      what: `an idle ssh shell, of ${sizes.idleSessions}: resident memory`,
      halligan: figure(each, 'KiB'),
      beside: `process without them ${figure(before / 2 ** 20, 'MiB')}`,
      ratio: figure(each, 'KiB'),
      target: `≤ ${MOST_IDLE_KIB} KiB at 1,000`,
      // Less than nothing: the process had room left from before, and this says nothing.
      isMet: each > 0 ? each <= MOST_IDLE_KIB : null,
    },
  ]
}

async function openShells(ssh: string, place: Installation, count: number): Promise<ChildProcess[]> {
  const shells: ChildProcess[] = []
  const open = async () => {
    while (shells.length < count) {
      const shell = spawn(ssh, [...place.sshOptions, '-tt', 'web-hash'], {
        env: clientEnvironment({ TERM: 'xterm-256color' }),
        stdio: ['pipe', 'pipe', 'ignore'],
      })
      shells.push(shell)
      // The target's prompt, or its reason not to give one.
      await Promise.race([once(shell.stdout, 'data'), once(shell, 'exit')])
      if (shell.exitCode !== null) throw new Error(`an idle shell ended with ${shell.exitCode}`)
      shell.stdout.resume()
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, open))
  return shells
}

async function closeAll(shells: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    shells.map(async (shell) => {
      const exited = once(shell, 'exit')
      if (shell.exitCode !== null || shell.signalCode !== null) return
      shell.kill('SIGKILL')
      await exited
    }),
  )
}
