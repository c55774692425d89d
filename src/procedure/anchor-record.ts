// What is known of one place that keeps checkpoints, across starts, and whether a checkpoint it holds is still one of this
// ledger: the judgement that a rewritten or shortened ledger does not pass.

import { HalliganError } from '../errors.ts'
import type { Anchor } from '../ledger/anchor.ts'
import type { OpenedCheckpoint } from '../ledger/checkpoint.ts'
import { verifyConsistency } from '../ledger/merkle.ts'
import { mainLog } from '../log.ts'
import type { LedgerHead, State, Write } from '../session/state.ts'

/** A place, and how it is kept up to date. */
export interface AnchorPlace {
  readonly anchor: Anchor
  /** Between two checkpoints while the ledger grows. */
  readonly everyMs: number
  /** What does not wait for that: a session's opening and sealing, or an activation. */
  readonly promptly: 'sessions' | 'activations'
}

/** A checkpoint that a place has acknowledged. */
export interface Acknowledged {
  readonly size: number
  /** Hex. */
  readonly root: string
  /** When it was signed (ms). */
  readonly at: number
  /** The signed note. */
  readonly checkpoint: string
}

export interface AnchorRecord {
  readonly acknowledged: Acknowledged | null
  /** Since when (ms) it fails, once that has been told; null: it works, or has not failed for long. */
  readonly failingSince: number | null
  /** The checkpoint whose contradiction has been told. */
  readonly contradicted: string | null
}

export const emptyRecord: AnchorRecord = { acknowledged: null, failingSince: null, contradicted: null }

/** The write that keeps it. */
export function keepingRecord(anchor: string, record: AnchorRecord): Write {
  return { kind: 'setting', name: settingOf(anchor), value: JSON.stringify(record) }
}

/** What was kept; the empty one where nothing was, or what nobody can read. */
export async function keptRecord(state: Pick<State, 'setting'>, anchor: string): Promise<AnchorRecord> {
  return recordIn(await state.setting(settingOf(anchor)), anchor)
}

/** What a setting's text keeps, likewise. */
export function recordIn(text: string | undefined, anchor: string): AnchorRecord {
  if (text === undefined) return emptyRecord
  try {
    return { ...emptyRecord, ...(JSON.parse(text) as Partial<AnchorRecord>) }
  } catch (error) {
    mainLog.error('anchor.record-unreadable', { anchor, error })
    return emptyRecord
  }
}

/** The setting that keeps it. */
export function settingOf(anchor: string): string {
  return `anchor:${anchor}`
}

/**
 * Why the ledger with this `head` does not contain the checkpoint, in a sentence; undefined: it does. Reads a few dozen
 * hashes. Throws `store_failed` when the engine failed.
 */
export async function contradictionOf(
  opened: OpenedCheckpoint,
  head: LedgerHead,
  state: Pick<State, 'consistencyProof'>,
): Promise<string | undefined> {
  if (opened.kind === 'malformed') return 'what it holds is no checkpoint'
  if (opened.kind !== 'signed') return 'what it holds was not signed by this ledger'
  const { size, root } = opened.checkpoint
  if (size > head.size)
    return `it has a checkpoint over ${size} leaves, and the ledger has ${head.size}: a tail is gone`
  const proof = size === 0 ? [] : await prefixProof(state, size, head.size)
  if (typeof proof === 'string') return proof
  const trees = { firstSize: size, firstRoot: root, secondSize: head.size, secondRoot: Buffer.from(head.root, 'hex') }
  return verifyConsistency({ ...trees, proof })
    ? undefined
    : `its checkpoint over ${size} leaves is not one of this ledger: leaves below were rewritten`
}

async function prefixProof(
  state: Pick<State, 'consistencyProof'>,
  size: number,
  headSize: number,
): Promise<readonly Buffer[] | string> {
  try {
    return await state.consistencyProof(size, headSize)
  } catch (error) {
    // A node that is missing is the ledger's own damage, and no reason to stop looking.
    if (error instanceof HalliganError && error.code === 'store_failed')
      return `the ledger cannot prove it: ${error.message}`
    throw error
  }
}
