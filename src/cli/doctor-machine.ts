// What the machine must give: directories that are ours alone, room, a certificate that lasts, a clock that goes forward.

import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { fail, ok, warn, type Finding } from './doctor-finding.ts'

/** Below these shares of a file system bulk, then new sessions, are refused (design §8). */
const lowRoom = 0.2
const noRoom = 0.05
/** Time to make a new certificate and hand out its CA. */
const certificateWarningMs = 30 * 86_400_000
/** How long the two clocks are compared, and how far apart they may go in that time. */
const clockSampleMs = 300
const clockSlackMs = 100
/** No Halligan was built before. */
const earliestMs = Date.UTC(2026, 0)

/** A directory with keys and state: 0700, and of the user who serves. */
export function directoryFinding(subject: string, path: string): Finding {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return warn(subject, `${path} is not there yet`, 'the first start makes it')
  if (!stat.isDirectory()) return fail(subject, `${path} is no directory`)
  if ((stat.mode & 0o077) !== 0)
    return fail(subject, `${path} is open to others (mode ${(stat.mode & 0o777).toString(8)})`, `chmod 700 ${path}`)
  const uid = process.getuid?.()
  if (uid !== undefined && stat.uid !== uid)
    return warn(subject, `${path} belongs to uid ${stat.uid}, not to ${uid}`, 'run doctor as the user who serves')
  return ok(subject, `${path} is closed to others`)
}

/** Room on the file system that holds `path`, or will. */
export async function roomFinding(subject: string, path: string): Promise<Finding> {
  const { bavail, blocks, bsize } = await statfs(nearest(path))
  const left = `${Math.floor((bavail * bsize) / 1024 ** 2)} MiB left`
  const share = blocks === 0 ? 1 : bavail / blocks
  const percent = `${Math.floor(share * 100)} % free`
  if (share < noRoom) return fail(subject, `${left}, ${percent}: no new session is let in`, 'make room')
  if (share < lowRoom) return warn(subject, `${left}, ${percent}: bulk data and forwards are refused`, 'make room')
  return ok(subject, `${left}, ${percent}`)
}

/** The certificate of the PostgreSQL port. */
export function certificateFinding(subject: string, file: string, clock: Clock): Finding {
  if (!existsSync(file)) return warn(subject, 'there is none yet', 'the first start makes it')
  const endsAt = new X509Certificate(readFileSync(file)).validToDate.getTime()
  const days = Math.floor((endsAt - clock.now()) / 86_400_000)
  const hint = `move ${file} away: the next start makes another, and its CA has to be handed out`
  if (endsAt <= clock.now()) return fail(subject, 'it has ended: verify-full clients refuse it', hint)
  if (endsAt - clock.now() < certificateWarningMs) return warn(subject, `it ends in ${days} days`, hint)
  return ok(subject, `it ends in ${days} days`)
}

/** Whether the wall clock makes sense: against the monotonic one, and against what was written before. No network is asked. */
export async function clockFinding(subject: string, clock: Clock, written: readonly string[]): Promise<Finding> {
  const hint = 'let the machine keep time (chrony, systemd-timesyncd): grants end by the wall clock'
  const before = { wall: clock.now(), us: clock.monotonicUs() }
  // The clock's own timers keep no process alive, and nothing else may be open here.
  await setTimeout(clockSampleMs)
  const wallMs = clock.now() - before.wall
  const passedMs = (clock.monotonicUs() - before.us) / 1000
  if (Math.abs(wallMs - passedMs) > clockSlackMs)
    return warn(subject, `it moved by ${Math.round(wallMs - passedMs)} ms while we looked`, hint)
  if (clock.now() < earliestMs) return fail(subject, `it says ${new Date(clock.now()).toISOString()}`, hint)
  const newest = Math.max(0, ...written.map((path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0))
  const behindMs = newest - clock.now()
  if (behindMs > 2000)
    return fail(subject, `it is ${Math.round(behindMs / 1000)} s behind what was written here before`, hint)
  return ok(subject, `it says ${new Date(clock.now()).toISOString()} and goes forward`)
}

function nearest(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : nearest(dirname(path))
}
