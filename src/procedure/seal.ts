// The end of a session after its last line: the file, the row with its leaf, the proof, the epoch (design §8, End 3 to 5).
// Every step may be taken again: at start each unsealed session is carried through the same ones.

import type { AuditEvent, SealState } from '../audit.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { sessionLog } from '../log.ts'
import { sealEventOf } from '../recording/seal-leaf.ts'
import type { SealedContent } from '../recording/seal.ts'
import type { Journal } from '../session/recorder.ts'
import type { Seal, SessionEnd, SessionRecord } from '../session/session.ts'
import type { LedgerHead, State } from '../session/state.ts'

export interface SealPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit' | 'session' | 'sessions'>
  readonly journal: Pick<Journal, 'lines' | 'epoch'>
  /** Writes the sealed file durably; one that stands there already must be the same. */
  readonly writeRecording: (
    session: SessionRecord,
    lines: AsyncIterable<Buffer>,
  ) => Promise<{ readonly file: string; readonly content: SealedContent }>
  /** Signs the ledger's head, whose last leaf is this seal, and writes the proof beside the recording. */
  readonly writeProof: (file: string, content: SealedContent, ledger: LedgerHead) => Promise<void>
}

/** Seals one ended session. Does nothing when it is sealed already. Throws what archive, store or journal throw. */
export async function sealSession(ports: SealPorts, id: string, state: SealState): Promise<void> {
  const session = await ports.state.session(id)
  if (session === undefined) throw new HalliganError('not_found', `no session ${id}`)
  if (session.state === 'sealed') return
  const numbers = { first: 0, last: -1, any: false }
  const { file, content } = await ports.writeRecording(session, numbered(ports.journal.lines(id), numbers))
  const seal: Seal = { file, ...sealEventOf(content), firstSeq: numbers.first, lastSeq: numbers.last, state }
  const ledger = await ports.state.commit({
    at: ports.clock.now(),
    writes: [{ kind: 'session-sealed', id, seal }],
    leaves: [sealedLeaf(session, seal)],
  })
  await ports.writeProof(file, content, ledger)
  await ports.journal.epoch(ledger)
}

/**
 * At start: sessions that a crash left open or unsealed. Each open one is ended as `interrupted`; each is sealed, as
 * `damaged` when the journal says so. One that cannot be does not stop the others, nor the start. Gives the ids it sealed.
 */
export async function sealOrphans(ports: SealPorts, damaged: ReadonlySet<string>): Promise<readonly string[]> {
  const sealed: string[] = []
  for (;;) {
    const orphans = await ports.state.sessions({ states: ['open', 'ended'], limit: 100 })
    const before = sealed.length
    for (const orphan of orphans) {
      try {
        await endInterrupted(ports, orphan)
        await sealSession(ports, orphan.id, damaged.has(orphan.id) ? 'damaged' : sealStateOf(orphan.end))
        sealed.push(orphan.id)
      } catch (error) {
        sessionLog.error('session.orphan-not-sealed', { session: orphan.id, error })
      }
    }
    if (orphans.length === 0 || sealed.length === before) return sealed
  }
}

/** `complete` only when the session's last line is known to be durable. */
export function sealStateOf(end: SessionEnd | null): SealState {
  const isCut = end === null || end.reason === 'recorder-failed' || end.reason === 'interrupted'
  return isCut || end.isRecorded === false ? 'interrupted' : 'complete'
}

async function endInterrupted(ports: SealPorts, session: SessionRecord): Promise<void> {
  if (session.state !== 'open') return
  const end: SessionEnd = { reason: 'interrupted', code: null, message: 'halligan stopped while the session ran' }
  const at = ports.clock.now()
  await ports.state.commit({ at, writes: [{ kind: 'session-ended', id: session.id, endedAt: at, end }], leaves: [] })
}

async function* numbered(
  lines: ReturnType<Journal['lines']>,
  numbers: { first: number; last: number; any: boolean },
): AsyncGenerator<Buffer, void> {
  for await (const { seq, line } of lines) {
    if (!numbers.any) numbers.first = seq
    numbers.any = true
    numbers.last = seq
    yield line
  }
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
