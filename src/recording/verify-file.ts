// Verification of one recording, or a folder of them, with nothing but their `.proof` files and what the verifier brings
// along: the pinned key, a checkpoint from outside. Pure: whatever is read is handed in.
import { type Checkpoint, openCheckpoint } from '../ledger/checkpoint.ts'
import type { InstallationKey } from '../ledger/note-key.ts'
import { openDisclosure } from './disclosure.ts'
import { type CheckedRecording, ReportBuilder, type VerifyReport } from './finding.ts'
import { checkLedger, type KnownHead, type LedgerRow } from './ledger-check.ts'
import { openProof, type OpenedProof } from './proof-check.ts'
import { checkRecording, type StoredFile } from './recording-check.ts'

/** What a verifier brings from outside the machine. */
export interface Trust {
  readonly key?: InstallationKey | undefined
  /** Text of a checkpoint that was kept elsewhere. */
  readonly checkpoint?: string | undefined
  /** Rows of the ledger, if at hand: they join the checkpoints of proofs with one of another size. */
  readonly ledger?: (() => AsyncIterable<LedgerRow>) | undefined
}

/** A recording and its proof, as an archive hands them in. */
export interface StoredRecording {
  /** Path of the `.cast.zst`, with `/`. */
  readonly name: string
  readonly file: StoredFile
  readonly proof: StoredText
}

export type StoredText =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'absent'; readonly why: string }

/** Folders of recordings. */
export interface RecordingFolder {
  list(): Promise<FolderListing>
  /** Any name may be asked for; what is not there comes back as absent. */
  open(name: string): Promise<StoredRecording>
}

export interface FolderListing {
  /** Names, with `/`, of every recording whose `.cast.zst` or `.proof` is there, sorted; each is given as `.cast.zst`. */
  readonly names: readonly string[]
  /** Folders that could not be read. */
  readonly unreadable: readonly { readonly name: string; readonly why: string }[]
}

/** Verifies one recording with its proof. */
export async function verifyFile(recording: StoredRecording, trust: Trust): Promise<VerifyReport> {
  const report = new ReportBuilder('file')
  await verifyEach(report, [recording.name], () => Promise.resolve(recording), trust)
  return report.report()
}

/** Verifies every recording of a folder. One deleted together with its proof shows only in `verifyAll`. */
export async function verifyFolder(folder: RecordingFolder, trust: Trust): Promise<VerifyReport> {
  const report = new ReportBuilder('directory')
  const { names, unreadable } = await folder.list()
  reportUnreadable(report, unreadable)
  await verifyEach(report, names, (name) => folder.open(name), trust)
  return report.report()
}

/** Verifies one event that was disclosed without the rest of its recording (disclosure.ts). */
export async function verifyDisclosure(name: string, stored: StoredText, trust: Trust): Promise<VerifyReport> {
  const report = new ReportBuilder('file')
  const heads = new SeenHeads()
  await report.check('public key', () => checkKey(report, trust.key))
  await report.check('event', () => {
    if (stored.kind === 'absent') {
      report.find({ code: 'missing', subject: name, detail: `the disclosure is ${stored.why}` })
      return 'not read'
    }
    const opened = openDisclosure(stored.text, trust.key)
    if (opened.kind === 'refused') {
      report.find({ code: opened.code, subject: name, detail: opened.detail })
      return 'refused'
    }
    heads.add(opened.checkpoint, name)
    return `event ${opened.disclosure.seq} of ${opened.lines} of session ${opened.session}`
  })
  await report.check('checkpoint from outside', () => checkOutside(report, heads, trust))
  return report.report()
}

/** What lies in a folder that cannot be read is missing. */
export function reportUnreadable(report: ReportBuilder, unreadable: FolderListing['unreadable']): void {
  for (const { name, why } of unreadable)
    report.find({ code: 'missing', subject: name, detail: `the folder is ${why}` })
}

async function verifyEach(
  report: ReportBuilder,
  names: readonly string[],
  open: (name: string) => Promise<StoredRecording>,
  trust: Trust,
): Promise<void> {
  await report.check('public key', () => checkKey(report, trust.key))
  const heads = new SeenHeads()
  const sessions = new Map<string, string>()
  await report.check('proofs', async () => {
    for (const name of names) {
      const opened = readProof(await open(name), trust.key)
      if (opened.kind === 'refused') {
        report.find({ code: opened.code, subject: proofName(name), detail: opened.detail })
        continue
      }
      sessions.set(opened.seal.sha256, opened.seal.session)
      const other = heads.add(opened.checkpoint, name)
      const detail = `its checkpoint of ${opened.checkpoint.size} leaves contradicts the one of ${other}`
      if (other !== undefined) report.find({ code: 'forked', subject: proofName(name), detail })
    }
    return counted(names.length, 'proof')
  })
  await report.check('checkpoint from outside', () => checkOutside(report, heads, trust))
  await report.check('recordings', async () => {
    for (const name of names) await verifyOne(report, await open(name), trust, (sha256) => sessions.get(sha256))
    return counted(names.length, 'recording')
  })
}

/** Says whose signatures count. */
export function checkKey(report: ReportBuilder, key: InstallationKey | undefined): string {
  if (key !== undefined) return `pinned: ${key.log.name}`
  report.doubt('signer not pinned: give the public key that was kept outside with --key')
  return 'none given'
}

async function verifyOne(
  report: ReportBuilder,
  recording: StoredRecording,
  trust: Trust,
  sealedElsewhere: (sha256: string) => string | undefined,
): Promise<void> {
  const { name, file } = recording
  const opened = readProof(recording, trust.key)
  if (opened.kind === 'refused') {
    const isThere = file.kind === 'file'
    if (!isThere) report.find({ code: 'missing', subject: name, detail: `the recording is ${file.why}` })
    return report.list({ name, session: undefined, state: 'finding', lines: undefined, endReason: undefined })
  }
  const { seal, proof } = opened
  const faults = await checkRecording(name, file, seal, { frames: proof.frames }, sealedElsewhere)
  for (const fault of faults) report.find({ subject: name, ...fault })
  const { session, lines, endReason } = seal
  if (seal.state !== 'complete') report.doubt(incomplete(seal))
  const sound = seal.state !== 'complete' ? seal.state : opened.isPinned ? 'proven' : 'self-consistent'
  const state: CheckedRecording['state'] = faults.length > 0 ? 'finding' : sound
  report.list({ name, session, state, lines, endReason })
}

/** Why a recording that is as sealed is still not the whole session. */
export function incomplete(seal: { readonly session: string; readonly state: string; readonly lines: number }): string {
  return seal.state === 'interrupted'
    ? `session ${seal.session} was interrupted: tail not proven after event ${seal.lines - 1}`
    : `session ${seal.session} is ${seal.state}: events are known to be lost`
}

function readProof(recording: StoredRecording, key: InstallationKey | undefined): OpenedProof {
  const { proof } = recording
  if (proof.kind === 'absent') return { kind: 'refused', code: 'missing', detail: `the proof is ${proof.why}` }
  return openProof(proof.text, key)
}

/** `x.cast.zst` has its proof in `x.proof`. */
export function proofName(name: string): string {
  return name.replace(/\.cast\.zst$/, '.proof')
}

async function checkOutside(report: ReportBuilder, heads: SeenHeads, trust: Trust): Promise<string> {
  const { key, checkpoint: text } = trust
  if (text === undefined) return 'none given'
  if (key === undefined) {
    report.doubt('a checkpoint from outside says nothing without the key that signed it')
    return 'not read'
  }
  const outside = readOutside(report, text, key)
  if (outside === undefined) return 'not signed by the pinned key'
  const other = heads.add(outside, 'the checkpoint from outside', true)
  const detail = `it contradicts the proof of ${other}, which has as many rows`
  if (other !== undefined) report.find({ code: 'forked', subject: 'the checkpoint from outside', detail })
  await joinHeads(report, heads, outside.size, trust)
  return `${outside.size} rows, signed by ${key.log.name}`
}

/** Checkpoints of one size are compared as they are; those of another only through the rows between them. */
async function joinHeads(report: ReportBuilder, heads: SeenHeads, outside: number, trust: Trust): Promise<void> {
  const sizes = heads.all().map(({ size }) => size)
  const newest = sizes.reduce((most, size) => Math.max(most, size), 0)
  if (newest > outside)
    report.doubt(`tail not proven after ledger row ${outside - 1}: proofs reach to row ${newest - 1}`)
  if (trust.ledger !== undefined) {
    await checkLedger(trust.ledger(), heads.all(), () => {}, report)
    return
  }
  const apart = sizes.filter((size) => size < outside).length
  const detail = `the checkpoint from outside is newer than ${apart} of the proofs' and joined to them only by the ledger`
  if (apart > 0) report.doubt(`${detail}: verify --all`)
}

/** A checkpoint from outside, if the pinned key signed it; otherwise a finding. */
export function readOutside(report: ReportBuilder, text: string, key: InstallationKey): Checkpoint | undefined {
  const opened = openCheckpoint(text, key.log)
  if (opened.kind === 'signed') return opened.checkpoint
  const detail = opened.kind === 'malformed' ? 'it is no checkpoint' : 'the pinned key has not signed it'
  report.find({ code: 'unknown_key', subject: 'the checkpoint from outside', detail })
  return undefined
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

/** Checkpoints by size: two of one size must have one root. */
class SeenHeads {
  readonly #bySize = new Map<number, KnownHead>()

  /** Gives the source of an earlier head of this size with another root. */
  add({ size, root }: Checkpoint, source: string, isOutside = false): string | undefined {
    const seen = this.#bySize.get(size)
    if (seen === undefined) this.#bySize.set(size, { size, root, source, isOutside })
    return seen === undefined || seen.root.equals(root) ? undefined : seen.source
  }

  all(): KnownHead[] {
    return [...this.#bySize.values()]
  }
}
