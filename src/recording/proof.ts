// The `.proof` beside a recording: a C2SP tlog-proof (c2sp.org/tlog-proof) that the seal's leaf stands in the ledger.
//
//   c2sp.org/tlog-proof@v1
//   extra <base64 of JSON, below>
//   index <of the seal leaf>
//   <audit path, base64 SHA-256 per line>
//
//   <checkpoint, a signed note>
//
// The extra line is `{"version":1,"leaf":"<base64>","key":"<vkey>","frames":[["<base64 root>",lines,endMs],…]}`: the
// leaf's very bytes, whose hash the path proves; the ledger's key, believed only when nobody has pinned another; and the
// roots of the recording's frames, which must lead to the root in the leaf. Nothing in it is trusted for being there, and
// there is one spelling of it: no byte of a proof can change without a finding, but for cosignatures by other keys.
import { decodeBase64 } from '../ledger/base64.ts'
import { hashBytes } from '../ledger/merkle.ts'
import { encodeVerifierKey, parseVerifierKey, type VerifierKey } from '../ledger/note-key.ts'
import { encodeTlogProof, parseTlogProof, type TlogProof } from '../ledger/tlog-proof.ts'
import type { FrameDigest } from './content-tree.ts'

/** A 4 GiB recording of 65,536 frames has a proof of a tenth of this. */
export const longestProofText: number = 64 * 1024 * 1024

export interface RecordingProof extends Omit<TlogProof, 'extra'> {
  /** Bytes of the `session-sealed` leaf. */
  readonly leaf: Buffer
  /** The key that signed the checkpoint, as the writer says. */
  readonly key: VerifierKey
  readonly frames: readonly FrameDigest[]
}

/** The text of a `.proof` file. */
export function encodeProof(proof: RecordingProof): string {
  const { index, path, checkpoint } = proof
  return encodeTlogProof({ extra: encodeExtra(proof), index, path, checkpoint })
}

type Extra = Pick<RecordingProof, 'leaf' | 'key' | 'frames'>

function encodeExtra({ leaf, key, frames }: Extra): Buffer {
  const extra = {
    version: 1,
    leaf: leaf.toString('base64'),
    key: encodeVerifierKey(key),
    frames: frames.map(({ root, lines, endMs }) => [root.toString('base64'), lines, endMs]),
  }
  return Buffer.from(JSON.stringify(extra))
}

/** Reads a `.proof`; undefined unless it is well-formed. Nothing is verified here. */
export function parseProof(text: string): RecordingProof | undefined {
  if (text.length > longestProofText) return undefined
  const proof = parseTlogProof(text)
  const extra = proof?.extra && parseExtra(proof.extra)
  if (proof === undefined || extra === undefined) return undefined
  const { index, path, checkpoint } = proof
  return { index, path, checkpoint, ...extra }
}

function parseExtra(bytes: Buffer): Extra | undefined {
  const extra = parseObject(bytes.toString('utf8'))
  const { version, leaf, key, frames } = extra ?? {}
  if (version !== 1 || typeof leaf !== 'string' || typeof key !== 'string' || !Array.isArray(frames)) return undefined
  const digests = frames.map(parseDigest)
  const parsed = { leaf: decodeBase64(leaf), key: parseVerifierKey(key) }
  if (parsed.leaf === undefined || parsed.key === undefined) return undefined
  if (!digests.every((digest) => digest !== undefined)) return undefined
  const read = { leaf: parsed.leaf, key: parsed.key, frames: digests }
  return encodeExtra(read).equals(bytes) ? read : undefined
}

function parseDigest(value: unknown): FrameDigest | undefined {
  const [base64, lines, endMs] = Array.isArray(value) ? (value as unknown[]) : []
  const root = typeof base64 === 'string' ? decodeBase64(base64) : undefined
  if (root?.length !== hashBytes || !isCount(lines) || lines === 0 || !isCount(endMs)) return undefined
  return { root, lines, endMs }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** A JSON object's own members, or undefined for any other text. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    // Not JSON: the caller says what that means.
    return undefined
  }
}
