import type { KeyObject } from 'node:crypto'
import { type AuditEvent, encodeLeaf } from '../../src/audit.ts'
import { signCheckpoint } from '../../src/ledger/checkpoint.ts'
import { privateKeyFromSeed, rawPublicKey } from '../../src/ledger/ed25519.ts'
import { encodeEpoch, signEpoch } from '../../src/ledger/epoch.ts'
import { Frontier, inclusionProof, leafHash, treeRoot } from '../../src/ledger/merkle.ts'
import { installationKey, type InstallationKey, noteSigner } from '../../src/ledger/note-key.ts'
import { encodeFrame, genesisHead, headerBytesOf, nextHead, type FrameType } from '../../src/recording/frame.ts'
import type { JournalSegment } from '../../src/recording/journal-check.ts'
import type { LedgerRow } from '../../src/recording/ledger-check.ts'
import { encodeProof } from '../../src/recording/proof.ts'
import { sealEventOf } from '../../src/recording/seal-leaf.ts'
import type { Snapshot } from '../../src/recording/verify-all.ts'
import { proofName, type RecordingFolder, type StoredRecording } from '../../src/recording/verify-file.ts'
import { chunksOf, sealed, sessionLines } from './sealed.ts'

const start = Date.UTC(2026, 10, 21, 3, 0, 0)
const epochKeys = Array.from({ length: 30 }, (_, epoch) => privateKeyFromSeed(Buffer.alloc(32, epoch + 1)))

/** Who signs the epochs. A thief has other keys than the machine had. */
export interface EpochKeys {
  /** Named where the journal begins. */
  readonly genesis: Buffer
  /** Signs the record of this epoch; undefined: no record is written. */
  sign(epoch: number): KeyObject | undefined
  /** Named in the record of this epoch as the next one's. */
  next(epoch: number): Buffer
}

export const ownKeys: EpochKeys = {
  genesis: rawPublicKey(epochKey(0)),
  sign: epochKey,
  next: (epoch) => rawPublicKey(epochKey(epoch + 1)),
}

/** An installation in memory, written as the real one writes: journal, ledger, checkpoints, seals and proofs. */
export class Installation {
  readonly signer = noteSigner('halligan/test', Buffer.alloc(32, 200))
  readonly key: InstallationKey = installationKey('test', this.signer.publicKey, ownKeys.genesis)
  readonly rows: LedgerRow[] = []
  readonly files = new Map<string, Buffer>()
  readonly segments: Buffer[] = []
  checkpoint = ''
  readonly #frontier = new Frontier()
  readonly #keys: EpochKeys
  #now = start
  #head = genesisHead
  #frames = 0
  #epoch = 0

  constructor(keys: EpochKeys = ownKeys) {
    this.#keys = keys
    this.openSegment({ genesisPublicKey: keys.genesis.toString('hex') })
    this.leaf({ type: 'ledger-started', genesisPublicKey: 'x', installation: 'test' })
  }

  /** Epoch records so far. */
  get epochs(): number {
    return this.#epoch
  }

  /** Appends an audit event to the ledger. */
  leaf(event: AuditEvent): number {
    this.#now += 1000
    const leaf = encodeLeaf(this.#now, event)
    this.rows.push({ position: this.rows.length, leaf, hash: leafHash(leaf) })
    this.#frontier.append(leafHash(leaf))
    return this.rows.length - 1
  }

  openSegment(extra: Record<string, unknown> = {}): void {
    const opening = { segment: this.segments.length + 1, head: this.#head.toString('hex'), seq: this.#frames, ...extra }
    this.segments.push(Buffer.alloc(0))
    this.frame('segment', '', this.#frames, Buffer.from(JSON.stringify(opening)))
  }

  frame(type: FrameType, session: string, seq: number, line: Buffer): void {
    const frame = encodeFrame({ type, session, seq, monotonicUs: seq * 250_000, wallUs: this.#now * 1000 }, line)
    this.#head = nextHead(this.#head, headerBytesOf(frame), leafHash(line))
    this.#frames += 1
    this.segments.push(Buffer.concat([this.segments.pop() ?? Buffer.alloc(0), frame]))
  }

  /** An epoch record over the present heads. */
  epoch(): void {
    const key = this.#keys.sign(this.#epoch)
    if (key === undefined) return void (this.#epoch += 1)
    const heads = { journalSeq: this.#frames, journalHead: this.#head }
    const ledger = { ledgerSize: this.rows.length, ledgerRoot: this.#frontier.root() }
    const nextPublicKey = this.#keys.next(this.#epoch)
    const claim = { epoch: this.#epoch, ...heads, ...ledger, nextPublicKey }
    this.frame('epoch', '', this.#frames, encodeEpoch(signEpoch(claim, key)))
    this.#epoch += 1
  }

  /** Tells the ledger how far the journal has come; gives how many frames that are. */
  markJournal(): number {
    this.leaf({ type: 'journal-head', seq: this.#frames, head: this.#head.toString('hex') })
    return this.#frames
  }

  /** Signs and stores a checkpoint over all rows. */
  sign(): string {
    this.checkpoint = signCheckpoint({ size: this.rows.length, root: this.#frontier.root() }, this.signer)
    return this.checkpoint
  }

  grant(grant: string, user = 'alice', target = 'web-1', account = 'root'): void {
    const request = { policy: 'p', policyHash: 'h', trigger: 't', reason: 'r', durationMs: 1_800_000, rule: 'self' }
    this.leaf({ type: 'grant-requested', grant, user, target, account, address: '127.0.0.1', ...request })
    const expiresAt = this.#now + 1_800_000
    this.leaf({ type: 'grant-activated', grant, user, target, account, rule: 'self', expiresAt })
  }

  opened(session: string, grant: string, user = 'alice', target = 'web-1', account = 'root'): void {
    const rest = { protocol: 'ssh', address: '127.0.0.1', fingerprint: 'SHA256:x' } as const
    this.leaf({ type: 'session-opened', session, grant, user, target, account, ...rest })
  }

  /** Opens a session, journals `lines`, and leaves it open. */
  record(session: string, grant: string, lines: readonly Buffer[]): void {
    this.opened(session, grant)
    for (const [seq, line] of lines.entries()) this.frame('line', session, seq, line)
  }

  /** Seals a recorded session: file, leaf, epoch, checkpoint, proof. */
  async seal(session: string, lines: readonly Buffer[], state: 'complete' | 'interrupted' | 'damaged' = 'complete') {
    const file = `2026/11/21/${session}.cast.zst`
    const { file: bytes, content } = await sealed(lines)
    this.files.set(file, bytes)
    const seqs = { firstSeq: 0, lastSeq: lines.length - 1 }
    const end = { file, endReason: 'exited', state }
    const index = this.leaf({ type: 'session-sealed', session, ...sealEventOf(content), ...seqs, ...end })
    this.epoch()
    const checkpoint = this.sign()
    const path = inclusionProof(
      this.rows.map(({ leaf }) => leafHash(leaf)),
      index,
    )
    const leaf = Buffer.from(this.rows[index]?.leaf ?? [])
    const proof = encodeProof({ leaf, index, path, checkpoint, key: this.signer, frames: content.frames })
    this.files.set(proofName(file), Buffer.from(proof))
    return file
  }

  folder(): RecordingFolder {
    return folderOf(this.files)
  }

  open(name: string): StoredRecording {
    return storedOf(this.files, name)
  }

  journal(): JournalSegment[] {
    return this.segments.map((bytes, at) => ({
      number: at + 1,
      name: `${String(at + 1).padStart(8, '0')}.seg`,
      // As the real ones, reserved beyond what is written.
      read: chunksOf(Buffer.concat([bytes, Buffer.alloc(70_000)])),
    }))
  }

  snapshot(): Snapshot {
    const { rows } = this
    return {
      ledger: async function* () {
        yield* rows
      },
      checkpoint: this.checkpoint,
      journal: this.journal(),
      recordings: this.folder(),
    }
  }

  root(size: number): Buffer {
    return treeRoot(this.rows.slice(0, size).map(({ leaf }) => leafHash(leaf)))
  }
}

/** A folder of recordings and proofs that lie in memory. */
export function folderOf(files: ReadonlyMap<string, Buffer>): RecordingFolder {
  return {
    list: () => {
      const names = [...new Set([...files.keys()].map((name) => name.replace(/\.proof$/, '.cast.zst')))]
      return Promise.resolve({ names: names.toSorted(), unreadable: [] })
    },
    open: (name) => Promise.resolve(storedOf(files, name)),
  }
}

/** One of them, as an archive opens it. */
export function storedOf(files: ReadonlyMap<string, Buffer>, name: string): StoredRecording {
  const [file, proof] = [files.get(name), files.get(proofName(name))]
  const absent = { kind: 'absent', why: 'not there' } as const
  return {
    name,
    file: file === undefined ? absent : { kind: 'file', read: chunksOf(file) },
    proof: proof === undefined ? absent : { kind: 'text', text: proof.toString('utf8') },
  }
}

export function epochKey(epoch: number): KeyObject {
  return epochKeys[epoch] ?? privateKeyFromSeed(Buffer.alloc(32, 99))
}

export const sessionA: readonly Buffer[] = sessionLines(40)
export const sessionB: readonly Buffer[] = sessionLines(12, 20_000)

/** Two sessions of one grant, interleaved in the journal over two segments, sealed one after the other. */
export async function twoSessions(): Promise<Installation> {
  const all = new Installation()
  all.grant('g1')
  all.opened('sa', 'g1')
  all.opened('sb', 'g1')
  for (let seq = 0; seq < sessionA.length; seq++) {
    const [a, b] = [sessionA[seq], sessionB[seq]]
    if (a !== undefined) all.frame('line', 'sa', seq, a)
    if (b !== undefined) all.frame('line', 'sb', seq, b)
    if (seq === 5) all.epoch()
    if (seq === 8) all.openSegment()
  }
  await all.seal('sa', sessionA)
  all.leaf({ type: 'session-viewed', session: 'sa', by: 'rita', how: 'replay' })
  all.leaf({ type: 'grant-ended', grant: 'g1', how: 'returned', by: 'alice', reason: 'done' })
  await all.seal('sb', sessionB)
  return all
}
