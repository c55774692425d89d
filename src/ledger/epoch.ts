// Epoch records: the forward-secure signature chain over the journal (design §8). Record n is signed with key n and
// names key n + 1; a verifier needs only the genesis key. Whoever takes the present key cannot rewrite earlier epochs,
// because their keys are gone. The order in which key files change is journal/'s; this file only encodes and verifies.
import type { KeyObject } from 'node:crypto'
import { assert } from '../errors.ts'
import { rawKeyBytes, signEd25519, verifyEd25519 } from './ed25519.ts'
import { hashBytes } from './merkle.ts'

/** What an epoch's key vouches for. */
export interface EpochClaim {
  /** 0, 1, 2 … */
  readonly epoch: number
  /** Journal frames before this record's own frame. */
  readonly journalSeq: number
  /** Head of the journal's chain before this record's own frame, 32 bytes. */
  readonly journalHead: Buffer
  /** Leaves of the ledger, and its root over them. */
  readonly ledgerSize: number
  readonly ledgerRoot: Buffer
  /** Raw Ed25519 key that signs the next epoch. */
  readonly nextPublicKey: Buffer
}

export interface EpochRecord extends EpochClaim {
  readonly signature: Buffer
}

/** Why a record does not follow. */
export type EpochFault = 'epoch_skipped' | 'journal_shrank' | 'ledger_shrank' | 'ledger_forked' | 'bad_signature'

const domain = Buffer.from('halligan/epoch/1\0')

/** A record is six numbers and hashes in hex: far below this. */
export const longestEpochLine: number = 1024

/** Signs a claim with the present epoch's private key. */
export function signEpoch(claim: EpochClaim, key: KeyObject): EpochRecord {
  return { ...claim, signature: signEd25519(key, signedBytes(claim)) }
}

/** The record as one line of JSON without newline: fixed keys in fixed order, hashes and keys in hex. */
export function encodeEpoch(record: EpochRecord): Buffer {
  return Buffer.from(
    JSON.stringify({
      epoch: record.epoch,
      journalSeq: record.journalSeq,
      journalHead: record.journalHead.toString('hex'),
      ledgerSize: record.ledgerSize,
      ledgerRoot: record.ledgerRoot.toString('hex'),
      nextPublicKey: record.nextPublicKey.toString('hex'),
      signature: record.signature.toString('hex'),
    }),
  )
}

const lineForm = new RegExp(
  [
    String.raw`^\{"epoch":(\d{1,16}),"journalSeq":(\d{1,16}),"journalHead":"([0-9a-f]{64})"`,
    String.raw`"ledgerSize":(\d{1,16}),"ledgerRoot":"([0-9a-f]{64})"`,
    String.raw`"nextPublicKey":"([0-9a-f]{64})","signature":"([0-9a-f]{128})"\}$`,
  ].join(','),
)

/** Reads a record; undefined unless the line is byte for byte what `encodeEpoch` writes. Nothing is verified here. */
export function parseEpoch(line: Uint8Array): EpochRecord | undefined {
  if (line.length > longestEpochLine) return undefined
  const bytes = Buffer.from(line.buffer, line.byteOffset, line.byteLength)
  const match = lineForm.exec(bytes.toString('latin1'))
  if (match === null) return undefined
  const [, epoch = '', journalSeq = '', journalHead = '', ledgerSize = '', ledgerRoot = '', next = '', signature = ''] =
    match
  const record: EpochRecord = {
    epoch: Number(epoch),
    journalSeq: Number(journalSeq),
    journalHead: Buffer.from(journalHead, 'hex'),
    ledgerSize: Number(ledgerSize),
    ledgerRoot: Buffer.from(ledgerRoot, 'hex'),
    nextPublicKey: Buffer.from(next, 'hex'),
    signature: Buffer.from(signature, 'hex'),
  }
  const numbers = [record.epoch, record.journalSeq, record.ledgerSize]
  // Numbers with leading zeros or beyond 2^53 would give one record two spellings.
  return numbers.every(Number.isSafeInteger) && encodeEpoch(record).equals(bytes) ? record : undefined
}

/** Follows the chain of epoch records from the genesis key. The caller compares journal heads with its own. */
export class EpochChain {
  #publicKey: Buffer
  #last: EpochRecord | undefined

  /** `genesisKey`: the raw public key of epoch 0, pinned from outside. */
  constructor(genesisKey: Uint8Array) {
    assert(genesisKey.length === rawKeyBytes, 'an Ed25519 key has 32 bytes')
    this.#publicKey = Buffer.from(genesisKey)
  }

  /** The newest record that followed. */
  get last(): EpochRecord | undefined {
    return this.#last
  }

  /** Raw public key that must sign the next record. */
  get publicKey(): Buffer {
    return this.#publicKey
  }

  /** Takes the next record if it follows; otherwise says why not and stays where it was. */
  accept(record: EpochRecord): EpochFault | undefined {
    const last = this.#last
    if (record.epoch !== (last === undefined ? 0 : last.epoch + 1)) return 'epoch_skipped'
    if (!verifyEd25519(this.#publicKey, signedBytes(record), record.signature)) return 'bad_signature'
    if (last !== undefined) {
      // The last record's own frame stands between the two.
      if (record.journalSeq <= last.journalSeq) return 'journal_shrank'
      if (record.ledgerSize < last.ledgerSize) return 'ledger_shrank'
      if (record.ledgerSize === last.ledgerSize && !record.ledgerRoot.equals(last.ledgerRoot)) return 'ledger_forked'
    }
    this.#publicKey = record.nextPublicKey
    this.#last = record
    return undefined
  }
}

/** Domain ‖ u64 epoch ‖ u64 journalSeq ‖ journalHead ‖ u64 ledgerSize ‖ ledgerRoot ‖ nextPublicKey. */
function signedBytes(claim: EpochClaim): Buffer {
  assert(claim.journalHead.length === hashBytes && claim.ledgerRoot.length === hashBytes, 'heads are SHA-256')
  assert(claim.nextPublicKey.length === rawKeyBytes, 'an Ed25519 key has 32 bytes')
  return Buffer.concat([
    domain,
    u64(claim.epoch),
    u64(claim.journalSeq),
    claim.journalHead,
    u64(claim.ledgerSize),
    claim.ledgerRoot,
    claim.nextPublicKey,
  ])
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}
