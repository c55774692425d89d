// What follows a session's last line: its row, its file, its leaf, its proof. And opening sealed recordings again.

import { createReadStream, existsSync } from 'node:fs'
import { join } from 'node:path'
import { sealRecording, writeProof } from '../archive/recording-archive.ts'
import { VerifiedRecording } from '../archive/verified-recording.ts'
import type { AuditEvent } from '../audit.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { OpenedRecording, RecordedLine, Recordings } from '../http/ports.ts'
import { signCheckpoint } from '../ledger/checkpoint.ts'
import { sessionLog } from '../log.ts'
import { sealOrphans, sealSession, sealStateOf, type SealPorts } from '../procedure/seal.ts'
import type { Seal, Session, SessionEnd, SessionRecord } from '../session/session.ts'
import type { Alert, LedgerHead } from '../session/state.ts'
import type { Durable } from './durable.ts'
import { writeDurably } from './installation.ts'

/** Proofs looked after at start: a crash between row and proof leaves at most the sessions that were ending then. */
const PROOFS_LOOKED_AFTER = 100

export class Sealer implements Recordings {
  readonly #durable: Durable
  readonly #directory: string
  readonly #checkpointFile: string
  readonly #ports: SealPorts
  /** Sessions whose sealing runs; `settled` waits for them. */
  readonly #running = new Set<Promise<void>>()
  #hasJournalFailed = false
  /** Called with each session that is sealed. */
  onSealed: (session: string) => void = () => undefined

  constructor(durable: Durable, clock: Clock, directories: { readonly recordings: string; readonly state: string }) {
    this.#durable = durable
    this.#directory = directories.recordings
    this.#checkpointFile = join(directories.state, 'checkpoint')
    this.#ports = {
      clock,
      state: durable.state,
      journal: durable.journal,
      writeRecording: (session, lines) => sealRecording(this.#directory, session.id, session.openedAt, lines),
      writeProof: (file, content, ledger) => this.#prove(file, content, ledger),
    }
    void durable.journal.failed.then(() => (this.#hasJournalFailed = true))
  }

  /**
   * The session's last line is durable, or its recorder failed: writes the row, with the alerts that its failure sent,
   * then seals. Never throws; resolves when the row is written.
   */
  async ended(session: Session, end: SessionEnd, at: number, alerts: readonly Alert[]): Promise<void> {
    const failed: AuditEvent = { type: 'recorder-failed', session: session.id, error: end.message }
    const leaves = sealStateOf(end) === 'complete' ? [] : [failed]
    try {
      await this.#durable.state.commit({
        at,
        writes: [{ kind: 'session-ended', id: session.id, endedAt: at, end }],
        leaves,
        alerts,
      })
    } catch (error) {
      // The row stays open; the next start ends and seals it.
      sessionLog.error('session.end-not-written', { session: session.id, error })
      return
    }
    if (this.#isInDoubt(end)) return
    const sealing = this.#seal(session.id, end)
    this.#running.add(sealing)
    void sealing.then(() => this.#running.delete(sealing))
  }

  /**
   * A write or sync that failed may have put lines on the disk all the same: only the next start can tell what the
   * journal holds of the session, and seals that.
   */
  #isInDoubt(end: SessionEnd): boolean {
    return this.#hasJournalFailed && sealStateOf(end) !== 'complete'
  }

  async #seal(id: string, end: SessionEnd): Promise<void> {
    try {
      await sealSession(this.#ports, id, sealStateOf(end))
      this.#durable.journal.forget(id)
      this.onSealed(id)
    } catch (error) {
      // `retry` and the next start take the same steps again.
      sessionLog.error('session.not-sealed', { session: id, error })
    }
  }

  /** Resolves when nothing is being sealed. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  /** Seals what an earlier attempt could not, such as after the disk had been full. Never throws. */
  async retry(): Promise<void> {
    if (this.#running.size > 0) return
    try {
      for (const { id, end } of await this.#durable.state.sessions({ states: ['ended'], limit: 20 }))
        if (end !== null && !this.#isInDoubt(end)) await this.#seal(id, end)
    } catch (error) {
      sessionLog.error('session.retry-failed', { error })
    }
  }

  /** At start: seals what a crash left, and writes proofs that are missing. Gives the ids it sealed. */
  async recover(): Promise<readonly string[]> {
    const { recovery } = this.#durable.journal
    const damaged = new Set(recovery.sessions.filter((session) => session.damaged).map(({ session }) => session))
    const sealed = await sealOrphans(this.#ports, damaged)
    for (const session of await this.#durable.state.sessions({ states: ['sealed'], limit: PROOFS_LOOKED_AFTER }))
      if (
        session.seal !== null &&
        !existsSync(join(this.#directory, session.seal.file.replace(/\.cast\.zst$/, '.proof')))
      )
        await this.#reprove(session, session.seal)
    for (const { session, hasLines } of recovery.sessions)
      if (hasLines && (await this.#isProven(session))) this.#durable.journal.forget(session)
    return sealed
  }

  /** Whether all that the journal is needed for has been done: until then its lines of the session stay. */
  async #isProven(id: string): Promise<boolean> {
    const seal = (await this.#durable.state.session(id))?.seal ?? null
    return seal !== null && existsSync(join(this.#directory, seal.file.replace(/\.cast\.zst$/, '.proof')))
  }

  async #reprove(session: SessionRecord, seal: Seal): Promise<void> {
    try {
      const lines = this.#durable.journal.lines(session.id)
      const { content } = await sealRecording(this.#directory, session.id, session.openedAt, bare(lines))
      const position = await this.#sealLeafPosition(session.id)
      if (position !== undefined)
        await this.#prove(seal.file, content, await this.#durable.state.ledgerHead(), position)
    } catch (error) {
      // The verifier names a recording without a proof; here it is enough to say so.
      sessionLog.error('session.not-proven', { session: session.id, error })
    }
  }

  async #sealLeafPosition(id: string): Promise<number | undefined> {
    const { state } = this.#durable
    const { size } = await state.ledgerHead()
    const wanted = `"type":"session-sealed","session":"${id}"`
    for (let from = Math.max(0, size - 1000); ; from -= 1000) {
      const leaves = await state.leaves(Math.max(0, from), Math.min(size, from + 1000))
      const at = leaves.findIndex((leaf) => leaf.includes(wanted))
      if (at >= 0) return Math.max(0, from) + at
      if (from <= 0) return undefined
    }
  }

  /** Signs the head for whoever wants to keep it elsewhere; gives its text. */
  checkpoint(ledger: LedgerHead): string {
    const head = { size: ledger.size, root: Buffer.from(ledger.root, 'hex') }
    const text = signCheckpoint(head, this.#durable.installation.logSigner)
    writeDurably(this.#checkpointFile, text)
    return text
  }

  async #prove(
    file: string,
    content: Awaited<ReturnType<SealPorts['writeRecording']>>['content'],
    ledger: LedgerHead,
    index: number = ledger.size - 1,
  ): Promise<void> {
    const { state, installation } = this.#durable
    const [leaf] = await state.leaves(index, index + 1)
    if (leaf === undefined) throw new HalliganError('store_failed', `ledger row ${index} is gone`)
    const path = await state.inclusionProof(index, ledger.size)
    const checkpoint = this.checkpoint(ledger)
    await writeProof(this.#directory, file, {
      leaf,
      index,
      path,
      checkpoint,
      key: installation.logSigner,
      frames: content.frames,
    })
  }

  /** Opens a session's lines for someone to see: the journal's while it runs, the verified file's once it is sealed. */
  async open(session: SessionRecord): Promise<OpenedRecording> {
    const { seal } = session
    if (seal === null)
      return { kind: 'journal', lines: (fromSeq) => from(this.#durable.journal.lines(session.id), fromSeq) }
    let contentBytes = 0
    try {
      const verified = await VerifiedRecording.open(this.#directory, seal)
      contentBytes = verified.frames.reduce((sum, frame) => sum + frame.contentBytes, 0)
      await verified.close()
    } catch (error) {
      if (!(error instanceof HalliganError) || !['not_found', 'recording_altered'].includes(error.code)) throw error
      return {
        kind: 'finding',
        finding: error.code === 'not_found' ? 'missing' : 'content_altered',
        message: error.message,
      }
    }
    return {
      kind: 'sealed',
      lines: (fromSeq) => this.#verifiedLines(seal, fromSeq),
      file: () => createReadStream(join(this.#directory, seal.file)),
      sizeBytes: seal.sizeBytes,
      contentBytes,
    }
  }

  async *#verifiedLines(seal: Seal, fromSeq: number): AsyncGenerator<RecordedLine, void> {
    const verified = await VerifiedRecording.open(this.#directory, seal)
    try {
      let seq = seal.firstSeq
      for await (const line of verified.lines()) {
        if (seq >= fromSeq) yield { seq, line }
        seq++
      }
    } finally {
      await verified.close()
    }
  }
}

async function* bare(lines: AsyncIterable<RecordedLine>): AsyncGenerator<Buffer, void> {
  for await (const { line } of lines) yield line
}

async function* from(lines: AsyncIterable<RecordedLine>, fromSeq: number): AsyncGenerator<RecordedLine, void> {
  for await (const line of lines) if (line.seq >= fromSeq) yield line
}
