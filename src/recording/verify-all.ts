// Verification of a whole installation: journal, ledger, checkpoints, rules and every recording, against the pinned key
// and a checkpoint from outside. Pure over a snapshot that is handed in; the running Halligan is not asked anything.
import { openCheckpoint } from '../ledger/checkpoint.ts'
import { ReportBuilder, type VerifyReport } from './finding.ts'
import {
  checkJournal,
  type JournalFacts,
  type JournalledSession,
  journalLeaves,
  type JournalSegment,
} from './journal-check.ts'
import { checkLedger, type KnownHead, type LedgerRow } from './ledger-check.ts'
import { type JournalMark, parseJournalMark } from './journal-mark.ts'
import { contentRoot } from './content-tree.ts'
import { openProof } from './proof-check.ts'
import { checkRecording } from './recording-check.ts'
import { RuleReplay } from './rule-replay.ts'
import { parseSealLeaf, type SealLeaf } from './seal-leaf.ts'
import {
  checkKey,
  incomplete,
  proofName,
  readOutside,
  type RecordingFolder,
  reportUnreadable,
  type Trust,
} from './verify-file.ts'
import type { Finding } from './finding.ts'

/** Everything of an installation that verification reads. Each source may be read more than once. */
export interface Snapshot {
  /** Every row of the ledger, in order. */
  readonly ledger: () => AsyncIterable<LedgerRow>
  /** The newest checkpoint the installation has stored. */
  readonly checkpoint: string | undefined
  readonly journal: readonly JournalSegment[]
  readonly recordings: RecordingFolder
}

/** Verifies an installation. Finds one edited ledger row, one deleted recording, one flipped byte of a recording. */
export async function verifyAll(snapshot: Snapshot, trust: Trust): Promise<VerifyReport> {
  const verification = new Verification(snapshot, trust)
  await verification.run()
  return verification.report.report()
}

/** A seal and its row. */
type SealRow = SealLeaf & { readonly position: number; readonly leaf: Buffer }

class Verification {
  readonly report = new ReportBuilder('all')
  readonly #snapshot: Snapshot
  readonly #trust: Trust
  readonly #rules = new RuleReplay()
  readonly #brokenRules: Finding[] = []
  readonly #seals = new Map<string, SealRow>()
  /** Signed heads of the ledger, from wherever they are known. */
  readonly #heads: KnownHead[] = []
  #journal: JournalFacts | undefined
  #names: readonly string[] = []
  #rows = 0

  constructor(snapshot: Snapshot, trust: Trust) {
    this.#snapshot = snapshot
    this.#trust = trust
  }

  async run(): Promise<void> {
    const { report } = this
    const { names, unreadable } = await this.#snapshot.recordings.list()
    this.#names = names
    reportUnreadable(report, unreadable)
    await report.check('public key', () => checkKey(report, this.#trust.key))
    await report.check('checkpoint from outside', () => this.#outside())
    await report.check('stored checkpoint', () => this.#stored())
    await report.check('proofs', () => this.#proofs())
    await report.check('journal', () => this.#checkJournal())
    await report.check('ledger', () => this.#ledger())
    await report.check('rules', () => this.#replayed())
    await report.check('recordings', () => this.#recordings())
  }

  #outside(): string {
    const { key, checkpoint: text } = this.#trust
    if (text === undefined || key === undefined) {
      this.report.doubt('tail not proven: no checkpoint from outside')
      return 'none given'
    }
    const outside = readOutside(this.report, text, key)
    if (outside === undefined) return 'not signed by the pinned key'
    this.#heads.push({ ...outside, source: 'the checkpoint from outside', isOutside: true })
    return `${outside.size} rows`
  }

  #stored(): string {
    const { checkpoint: text } = this.#snapshot
    const key = this.#trust.key?.log
    if (text === undefined) return 'none stored'
    if (key === undefined) return 'not read without key'
    const opened = openCheckpoint(text, key)
    if (opened.kind === 'signed') {
      this.#heads.push({ ...opened.checkpoint, source: 'the stored checkpoint', isOutside: false })
      return `${opened.checkpoint.size} rows, signed by ${key.name}`
    }
    const detail = opened.kind === 'malformed' ? 'it is no checkpoint' : 'the pinned key has not signed it'
    this.report.find({ code: 'unknown_key', subject: 'stored checkpoint', detail })
    return detail
  }

  async #proofs(): Promise<string> {
    let opened = 0
    for (const name of this.#names) {
      const { proof } = await this.#snapshot.recordings.open(name)
      // A proof that is missing is reported with the recording whose seal asks for it.
      if (proof.kind === 'absent') continue
      const subject = proofName(name)
      const checked = openProof(proof.text, this.#trust.key)
      if (checked.kind === 'refused') {
        this.report.find({ code: checked.code, subject, detail: checked.detail })
        continue
      }
      opened += 1
      this.#heads.push({ ...checked.checkpoint, source: subject, isOutside: false })
    }
    // Each proof's checkpoint is stored before the proof is written.
    if (opened > 0 && this.#snapshot.checkpoint === undefined)
      this.report.find({ code: 'missing', subject: 'stored checkpoint', detail: 'proofs were made of one' })
    return `${opened} of ${this.#names.length}`
  }

  /** Read before the journal, which is held to them; what the rows are worth is judged with the ledger. */
  async #marks(): Promise<JournalMark[]> {
    const marks: JournalMark[] = []
    for await (const { position, leaf } of this.#snapshot.ledger()) {
      const mark = parseJournalMark(position, leaf)
      if (mark !== undefined) marks.push(mark)
    }
    return marks
  }

  async #checkJournal(): Promise<string> {
    const genesis = this.#trust.key?.genesis.publicKey
    this.#journal = await checkJournal(this.#snapshot.journal, genesis, this.report, await this.#marks())
    const { frames, provenFrames, sessions, heads } = this.#journal
    // Appended one by one: there may be more than a call takes arguments.
    for (const head of heads) this.#heads.push(head)
    return `${frames} frames, ${provenFrames} of them under epoch records, ${sessions.size} sessions`
  }

  async #ledger(): Promise<string> {
    const visit = ({ position, leaf }: LedgerRow) => this.#visit(position, leaf)
    this.#rows = await checkLedger(this.#snapshot.ledger(), this.#heads, visit, this.report)
    const outside = this.#heads.findLast((head) => head.isOutside)
    if (outside !== undefined && outside.size < this.#rows)
      this.report.doubt(`tail not proven after ledger row ${outside.size - 1} of ${this.#rows}`)
    return `${this.#rows} rows against ${this.#heads.length} signed heads`
  }

  #visit(position: number, leaf: Uint8Array): void {
    this.#brokenRules.push(...this.#rules.take(position, leaf))
    const seal = parseSealLeaf(leaf)
    if (seal !== undefined && !this.#seals.has(seal.session))
      this.#seals.set(seal.session, { ...seal, position, leaf: Buffer.from(leaf) })
  }

  #replayed(): string {
    for (const finding of this.#brokenRules) this.report.find(finding)
    for (const session of this.#journal?.sessions.keys() ?? [])
      if (!this.#rules.hasOpened(session)) {
        const detail = 'the journal holds lines of a session that the ledger never opened'
        this.report.find({ code: 'rule_broken', subject: `session ${session}`, detail })
      }
    return `${this.#seals.size} sessions sealed, ${this.#rules.openSessions.length} open`
  }

  async #recordings(): Promise<string> {
    const bySha256 = new Map([...this.#seals.values()].map(({ sha256, session }) => [sha256, session]))
    const sealed = new Set<string>()
    for (const seal of this.#seals.values()) {
      sealed.add(seal.file)
      await this.#recording(seal, (sha256) => bySha256.get(sha256))
    }
    const open = new Set(this.#rules.openSessions.map(({ session }) => session))
    for (const session of open) this.#listOpen(session)
    for (const name of this.#names) if (!sealed.has(name)) this.#stray(name, open)
    return `${this.#seals.size} sealed`
  }

  async #recording(seal: SealRow, sealedElsewhere: (sha256: string) => string | undefined): Promise<void> {
    const { session, file: name, lines, endReason } = seal
    const before = this.report.findings.length
    const journalled = this.#journal?.sessions.get(session)
    const stored = await this.#snapshot.recordings.open(name)
    const proof = stored.proof.kind === 'text' ? openProof(stored.proof.text, this.#trust.key) : undefined
    const frames = proof?.kind === 'opened' ? proof.proof.frames : undefined
    const leaves = journalled && (() => journalLeaves(this.#snapshot.journal, session, journalled))
    const isWholeJournal = journalled !== undefined && holds(journalled, seal)
    const known = { frames, leaves: isWholeJournal ? leaves : undefined }
    for (const fault of await checkRecording(name, stored.file, seal, known, sealedElsewhere))
      this.report.find({ subject: name, ...fault })
    const isProven = proof?.kind === 'opened' && proof.proof.leaf.equals(seal.leaf)
    if (proof?.kind === 'opened' && !isProven)
      this.report.find({
        code: 'forked',
        subject: proofName(name),
        detail: 'it proves another seal than the ledger has',
      })
    if (stored.proof.kind === 'absent')
      this.report.find({ code: 'missing', subject: proofName(name), detail: `the proof is ${stored.proof.why}` })
    if (!isWholeJournal) this.#unlikeJournal(seal, journalled)
    if (seal.state !== 'complete') this.report.doubt(incomplete(seal))
    // The row alone proves nothing here: it may be the one that was edited. Nor does the log's key, if a thief has it.
    const isCovered = this.#isCovered(seal)
    const isSigned = isProven && proof.isPinned && isCovered
    const sound = seal.state !== 'complete' ? seal.state : isSigned ? 'proven' : 'self-consistent'
    const state = this.report.findings.length > before ? 'finding' : sound
    this.report.list({ name, session, state, lines, endReason })
  }

  /** Whether something that the log's key alone cannot make vouches for the row of a seal: an epoch, or the outside. */
  #isCovered({ session, position }: SealRow): boolean {
    const epochs = this.#journal?.heads ?? []
    const outside = this.#heads.filter((head) => head.isOutside)
    const isCovered = [...epochs, ...outside].some(({ size }) => size > position)
    if (!isCovered) this.report.doubt(`no epoch record covers the seal of session ${session} yet`)
    return isCovered
  }

  /** A seal that does not hold what the journal holds; damage that is already named explains it. */
  #unlikeJournal(seal: SealLeaf, journalled: JournalledSession | undefined): void {
    if (this.#journal === undefined || this.#journal.isDamaged || seal.state === 'damaged') return
    if (seal.lines === 0 && journalled === undefined) return
    const subject = `session ${seal.session}`
    const held = journalled?.tree.lines ?? 0
    this.report.find(
      held < seal.lines
        ? { code: 'truncated', subject, detail: `the journal holds ${held} of its ${seal.lines} events` }
        : { code: 'content_altered', subject, detail: 'the journal holds other events than were sealed' },
    )
  }

  #listOpen(session: string): void {
    if (this.#journal?.sessions.get(session)?.isReduced === true) {
      const detail = 'the journal lost its lines to a skeleton, and no recording was sealed of them'
      this.report.find({ code: 'missing', subject: `session ${session}`, detail })
    }
    this.report.doubt(`session ${session} is not sealed yet`)
    this.report.list({ name: session, session, state: 'open', lines: undefined, endReason: undefined })
  }

  /** A file without seal: of a session that is being sealed, or nobody's. */
  #stray(name: string, open: ReadonlySet<string>): void {
    const session = name.slice(name.lastIndexOf('/') + 1).replace(/\.cast\.zst$/, '')
    if (open.has(session)) return
    this.report.find({ code: 'wrong_name', subject: name, detail: 'no seal in the ledger gives a recording this name' })
  }
}

function holds({ tree, firstSeq, lastSeq }: JournalledSession, seal: SealLeaf): boolean {
  const isSame = tree.lines === seal.lines && firstSeq === seal.firstSeq && lastSeq === seal.lastSeq
  return isSame && contentRoot(tree.finish()).equals(seal.root)
}
