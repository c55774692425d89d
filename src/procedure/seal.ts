// The end of a session after its last line: the file, the row with its leaf, the epoch, the proof (design §8, End 3 to 5).
// Every step may be taken again: at start each unsealed session is carried through the same ones.

import type { AuditEvent } from '../audit.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { sessionLog } from '../log.ts'
import type { Journal } from '../session/recorder.ts'
import type { Seal, SessionEnd, SessionRecord } from '../session/session.ts'
import type { LedgerHead, State } from '../session/state.ts'

export interface SealPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit' | 'session' | 'sessions'>
  readonly journal: Pick<Journal, 'lines' | 'epoch'>
  /** Writes the sealed file durably and gives what it is; a file that stands there already must be the same. */
  readonly writeRecording: (
    session: SessionRecord,
    lines: AsyncIterable<{ seq: number; line: Buffer }>,
  ) => Promise<Omit<Seal, 'state'>>
  /** Signs the ledger's head and writes the proof beside the recording. */
  readonly writeProof: (session: SessionRecord, seal: Seal, ledger: LedgerHead) => Promise<void>
}

/** Seals one ended session. Does nothing when it is sealed already. Throws what the archive or the store throws. */
export async function sealSession(ports: SealPorts, id: string, sealState: Seal['state']): Promise<void> {
  const session = await ports.state.session(id)
  if (session === undefined) throw new HalliganError('not_found', `no session ${id}`)
  if (session.state === 'sealed') return
  const written = await ports.writeRecording(session, ports.journal.lines(id))
  const seal: Seal = { ...written, state: sealState }
  const ledger = await ports.state.commit({
    at: ports.clock.now(),
    writes: [{ kind: 'session-sealed', id, seal }],
    leaves: [sealedLeaf(session, seal)],
  })
  await ports.journal.epoch(ledger)
  await ports.writeProof(session, seal, ledger)
}

/**
 * At start: sessions that a crash left open or unsealed. Each is ended as `interrupted` and sealed; one that cannot be
 * does not stop the others, nor the start. Gives the ids it sealed.
 */
export async function sealOrphans(ports: SealPorts): Promise<readonly string[]> {
  const sealed: string[] = []
  for (;;) {
    const orphans = await ports.state.sessions({ states: ['open', 'ended'], limit: 100 })
    const before = sealed.length
    for (const orphan of orphans) {
      try {
        await endInterrupted(ports, orphan)
        await sealSession(
          ports,
          orphan.id,
          orphan.end !== null && orphan.end.reason !== 'recorder-failed' ? 'complete' : 'interrupted',
        )
        sealed.push(orphan.id)
      } catch (error) {
        sessionLog.error('session.orphan-not-sealed', { session: orphan.id, error })
      }
    }
    if (orphans.length === 0 || sealed.length === before) return sealed
  }
}

async function endInterrupted(ports: SealPorts, session: SessionRecord): Promise<void> {
  if (session.state !== 'open') return
  const end: SessionEnd = { reason: 'interrupted', code: null, message: 'halligan stopped while the session ran' }
  const at = ports.clock.now()
  await ports.state.commit({ at, writes: [{ kind: 'session-ended', id: session.id, endedAt: at, end }], leaves: [] })
}

function sealedLeaf(session: SessionRecord, seal: Seal): AuditEvent {
  const { root, lines, firstSeq, lastSeq, sizeBytes, sha256, file, state } = seal
  const endReason = session.end?.reason ?? 'interrupted'
  return {
    type: 'session-sealed',
    session: session.id,
    root,
    lines,
    firstSeq,
    lastSeq,
    sizeBytes,
    sha256,
    file,
    endReason,
    state,
  }
}
