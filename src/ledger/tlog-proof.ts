// Offline proofs that a leaf stands in a log (c2sp.org/tlog-proof): index, audit path and checkpoint in one text.
// The `extra` line is opaque here and proves nothing by itself; recording/proof.ts says what Halligan puts there.
import { decodeBase64 } from './base64.ts'
import { hashBytes, longestProof } from './merkle.ts'

export interface TlogProof {
  /** Not authenticated by anything in this file. */
  readonly extra: Buffer | undefined
  /** Of the leaf, from 0. */
  readonly index: number
  readonly path: readonly Uint8Array[]
  /** A signed note, verbatim. */
  readonly checkpoint: string
}

const firstLine = 'c2sp.org/tlog-proof@v1'

/** The text of a proof. */
export function encodeTlogProof(proof: TlogProof): string {
  const lines = [firstLine]
  if (proof.extra !== undefined) lines.push(`extra ${proof.extra.toString('base64')}`)
  lines.push(`index ${proof.index}`, ...proof.path.map((node) => Buffer.from(node).toString('base64')))
  return `${lines.join('\n')}\n\n${proof.checkpoint}`
}

/** Reads a proof; undefined unless it is well-formed. Nothing is verified here; the caller bounds the text's length. */
export function parseTlogProof(text: string): TlogProof | undefined {
  const end = text.indexOf('\n\n')
  const lines = text.slice(0, Math.max(end, 0)).split('\n')
  if (lines.shift() !== firstLine) return undefined
  const hasExtra = lines[0]?.startsWith('extra ') === true
  const extra = hasExtra ? decodeBase64(lines.shift()?.slice('extra '.length) ?? '') : undefined
  const [, index = ''] = /^index (0|[1-9][0-9]{0,15})$/.exec(lines.shift() ?? '') ?? []
  const path = lines.map(decodeBase64)
  if ((hasExtra && extra === undefined) || index === '' || !Number.isSafeInteger(Number(index))) return undefined
  if (path.length > longestProof || !path.every((node) => node?.length === hashBytes)) return undefined
  return {
    extra,
    index: Number(index),
    path: path.filter((node) => node !== undefined),
    checkpoint: text.slice(end + 2),
  }
}
