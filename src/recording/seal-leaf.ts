// The `session-sealed` leaf, read as an attacker may have written it: what it says of the file, or nothing.
import type { AuditEvent, SealState } from '../audit.ts'
import type { SealedAs } from './content-judgement.ts'
import { parseObject } from './proof.ts'

type SealEvent = Extract<AuditEvent, { type: 'session-sealed' }>

/** A seal with its hashes as bytes. */
export interface SealLeaf extends SealedAs {
  readonly session: string
  readonly firstSeq: number
  readonly lastSeq: number
  /** Path below the recordings directory. */
  readonly file: string
  readonly endReason: string
  readonly state: SealState
}

const states: readonly string[] = ['complete', 'interrupted', 'damaged'] satisfies SealState[]

/** Reads the bytes of a seal leaf; undefined when they are no seal leaf. Whether it stands in a ledger is not asked here. */
export function parseSealLeaf(leaf: Uint8Array): SealLeaf | undefined {
  const event = parseObject(Buffer.from(leaf).toString('utf8')) as Partial<Record<keyof SealEvent, unknown>> | undefined
  if (event?.type !== 'session-sealed') return undefined
  const { session, root, sha256, file, endReason, state } = event
  const texts = [session, root, sha256, file, endReason, state]
  const numbers = [event.lines, event.sizeBytes, event.firstSeq, event.lastSeq]
  if (!texts.every((text) => typeof text === 'string') || !numbers.every(Number.isSafeInteger)) return undefined
  const seal = event as SealEvent
  if (!/^[0-9a-f]{64}$/.test(seal.root) || !/^[0-9a-f]{64}$/.test(seal.sha256) || !states.includes(seal.state))
    return undefined
  const { lines, sizeBytes, firstSeq, lastSeq } = seal
  const said = { session: seal.session, file: seal.file, endReason: seal.endReason, state: seal.state }
  return { ...said, root: Buffer.from(seal.root, 'hex'), sha256: seal.sha256, lines, sizeBytes, firstSeq, lastSeq }
}

/** The members of a `session-sealed` event that the file itself gives; firstSeq and lastSeq are the journal's. */
export function sealEventOf(content: SealedAs): Pick<SealEvent, 'root' | 'lines' | 'sizeBytes' | 'sha256'> {
  const { root, lines, sizeBytes, sha256 } = content
  return { root: root.toString('hex'), lines, sizeBytes, sha256 }
}
