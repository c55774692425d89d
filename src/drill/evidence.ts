// What is left of a story's sessions and alerts, looked at as an auditor would: in the state, in the ledger, and on the
// disk with the verifier. Tampering is tried on a copy.

import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { verifyPath } from '../archive/verification.ts'
import { VerifiedRecording } from '../archive/verified-recording.ts'
import type { AuditEvent } from '../audit.ts'
import type { Clock } from '../clock.ts'
import { assert } from '../errors.ts'
import type { InstallationKey } from '../ledger/note-key.ts'
import { bytesOf, decodeLine } from '../recording/event-line.ts'
import type { SessionRecord } from '../session/session.ts'
import type { AlertRecord, State } from '../session/state.ts'
import type { Outcome } from './world.ts'

export interface EvidencePorts {
  readonly clock: Clock
  readonly state: Pick<State, 'alerts' | 'events' | 'sessions'>
  /** Absolute. */
  readonly recordings: string
  readonly key: InstallationKey
}

/** How often the state is looked at while something is awaited. */
const LOOK_MS = 50
/** A recording of seconds is sealed in moments; a busy disk gets this long. */
const SEAL_MS = 15_000
/** What was refused is written beside the answer. */
const LEAF_MS = 5_000
/** Alerts and leaves of one story: some dozens. */
const MOST_LOOKED_AT = 200

/** Waits until `find` finds something; undefined after `withinMs`. */
export async function awaited<T>(
  clock: Clock,
  withinMs: number,
  find: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const endUs = clock.monotonicUs() + withinMs * 1000
  for (;;) {
    const found = await find()
    if (found !== undefined || clock.monotonicUs() >= endUs) return found
    await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve))
  }
}

/** Leaves from a time (ms) or an index on that name one of `subjects`, oldest first. */
export async function leavesAbout(
  { state }: EvidencePorts,
  from: { readonly at: number } | { readonly index: number },
  subjects: readonly string[],
): Promise<readonly AuditEvent[]> {
  const since = 'at' in from ? { since: from.at } : {}
  const entries = await state.events({ ...since, limit: MOST_LOOKED_AT })
  return entries
    .filter(({ index }) => !('index' in from) || index >= from.index)
    .map(({ event }) => event)
    .filter((event) => names(event, subjects))
    .reverse()
}

function names(value: unknown, subjects: readonly string[]): boolean {
  const text = JSON.stringify(value)
  return subjects.some((subject) => text.includes(JSON.stringify(subject)))
}

/** A leaf of that type since `since` names one of `subjects`; it may be a moment behind what its reader saw. */
export async function ledgerSays(
  ports: EvidencePorts,
  leaf: string,
  since: number,
  subjects: readonly string[],
): Promise<Outcome> {
  const found = await awaited(ports.clock, LEAF_MS, async () =>
    (await leavesAbout(ports, { at: since }, subjects)).find(({ type }) => type === leaf),
  )
  return found === undefined
    ? { kind: 'not-so', detail: 'the ledger does not say it' }
    : { kind: 'so', detail: JSON.stringify(found).slice(0, 200) }
}

/** An alert of that type about one of `subjects`, accepted in time by every channel it went to. */
export async function alertAccepted(
  { clock, state }: EvidencePorts,
  type: string,
  withinMs: number,
  since: number,
  subjects: readonly string[],
): Promise<Outcome> {
  const about = async (): Promise<readonly AlertRecord[]> =>
    (await state.alerts({ type, since, limit: MOST_LOOKED_AT })).filter(({ payload }) => names(payload, subjects))
  const accepted = await awaited(clock, withinMs, async () =>
    (await about()).find((alert) => alert.acceptedAt !== null && alert.acceptedAt - alert.at <= withinMs),
  )
  if (accepted !== undefined) {
    const ms = (accepted.acceptedAt ?? accepted.at) - accepted.at
    return { kind: 'so', detail: `accepted by ${accepted.channel} after ${ms} ms`, figure: { what: 'alert', ms } }
  }
  const [sent] = await about()
  if (sent === undefined) return { kind: 'not-so', detail: 'no channel was told' }
  const why = sent.lastError ?? 'no answer yet'
  return { kind: 'not-so', detail: `${sent.channel} has not accepted it: ${why}` }
}

/** The sessions of a grant once all are sealed; undefined when that took too long. */
export function sealedSessions({ clock, state }: EvidencePorts, grant: string): Promise<SessionRecord[] | undefined> {
  return awaited(clock, SEAL_MS, async () => {
    const sessions = await state.sessions({ grant })
    return sessions.length > 0 && sessions.every(({ seal }) => seal !== null) ? sessions : undefined
  })
}

/** Every recording of the grant is sealed, and the verifier has no finding on any. */
export async function verified(ports: EvidencePorts, grant: string): Promise<Outcome> {
  const sessions = await sealedSessions(ports, grant)
  if (sessions === undefined) return { kind: 'not-so', detail: 'a recording was not sealed in time' }
  for (const session of sessions) {
    // The proof is written just after the row.
    const report = await awaited(ports.clock, SEAL_MS, async () => {
      const checked = await verifyPath(fileOf(ports, session), { key: ports.key })
      return checked.findings.length === 0 ? checked : undefined
    })
    if (report === undefined) {
      const { findings } = await verifyPath(fileOf(ports, session), { key: ports.key })
      return { kind: 'not-so', detail: `${session.id}: ${findings[0]?.code}: ${findings[0]?.detail}` }
    }
  }
  const lines = sessions.reduce((sum, { seal }) => sum + (seal?.lines ?? 0), 0)
  return { kind: 'so', detail: `${sessions.length} sealed, ${lines} lines, no finding` }
}

/** The text stands in what was typed, shown or stated in one of the grant's recordings, read back through its seal. */
export async function recordingShows(ports: EvidencePorts, grant: string, text: string): Promise<Outcome> {
  for (const { seal } of (await sealedSessions(ports, grant)) ?? []) {
    if (seal === null) continue
    const recording = await VerifiedRecording.open(ports.recordings, seal)
    try {
      let shown = ''
      for await (const line of recording.lines()) {
        const decoded = decodeLine(line)
        const bytes = bytesOf(decoded)
        shown += bytes === null ? `\n${line.toString('utf8')}\n` : bytes.bytes.toString('utf8')
      }
      if (shown.includes(text)) return { kind: 'so', detail: `read in ${basename(seal.file)}` }
    } finally {
      await recording.close()
    }
  }
  return { kind: 'not-so', detail: `no recording shows "${text}"` }
}

/** One byte in the middle of a copy is changed; the verifier must name it, and the original must stay as it is. */
export async function tamperedCopyFound(ports: EvidencePorts, grant: string): Promise<Outcome> {
  const [session] = (await sealedSessions(ports, grant)) ?? []
  if (session === undefined) return { kind: 'not-so', detail: 'there is no sealed recording to copy' }
  const folder = await mkdtemp(join(tmpdir(), 'halligan-drill-'))
  try {
    const original = fileOf(ports, session)
    const copy = join(folder, basename(original))
    const bytes = await readFile(original)
    const middle = bytes.length >> 1
    bytes[middle] = (bytes[middle] ?? 0) ^ 0x20
    await writeFile(copy, bytes)
    await copyFile(proofOf(original), proofOf(copy))
    const { findings } = await verifyPath(copy, { key: ports.key })
    const finding = findings.find(({ code }) => code === 'content_altered' || code === 'container_altered')
    if (finding === undefined) return { kind: 'not-so', detail: 'the verifier found nothing wrong with the copy' }
    return { kind: 'so', detail: `${finding.code}: ${finding.detail}` }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function fileOf({ recordings }: EvidencePorts, { seal }: SessionRecord): string {
  assert(seal !== null, 'the session is sealed')
  return join(recordings, seal.file)
}

function proofOf(file: string): string {
  return file.replace(/\.cast\.zst$/, '.proof')
}
