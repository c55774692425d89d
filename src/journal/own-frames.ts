// The lines of the journal's own frames, besides epoch records: what opens a segment, and what a start found.

import { rawKeyBytes } from '../ledger/ed25519.ts'
import { hashBytes } from '../ledger/merkle.ts'

/** The first frame of each segment: so the chain can be followed from any segment on. */
export interface SegmentOpening {
  readonly segment: number
  /** Head before this frame. */
  readonly head: Buffer
  /** Frames before this one. */
  readonly seq: number
  /** Raw Ed25519 key that signs epoch 0 from here on: in the first segment, and after the key was lost. */
  readonly genesisPublicKey: Buffer | null
}

/** One line of JSON, hashes and keys in hex. */
export function encodeOpening({ segment, head, seq, genesisPublicKey }: SegmentOpening): Buffer {
  const genesis = genesisPublicKey === null ? {} : { genesisPublicKey: genesisPublicKey.toString('hex') }
  return Buffer.from(JSON.stringify({ segment, head: head.toString('hex'), seq, ...genesis }))
}

/** Null unless it is what `encodeOpening` writes. */
export function parseOpening(line: Buffer): SegmentOpening | null {
  const form =
    /^\{"segment":(\d{1,15}),"head":"([0-9a-f]{64})","seq":(\d{1,15})(?:,"genesisPublicKey":"([0-9a-f]{64})")?\}$/
  const match = line.length <= longestOpening ? form.exec(line.toString('latin1')) : null
  if (match === null) return null
  const [, segment = '', head = '', seq = '', genesis] = match
  return {
    segment: Number(segment),
    head: Buffer.from(head, 'hex'),
    seq: Number(seq),
    genesisPublicKey: genesis === undefined ? null : Buffer.from(genesis, 'hex'),
  }
}

/** Two hashes, two numbers and their names. */
export const longestOpening: number = 2 * (hashBytes + rawKeyBytes) + 128

/** What a start found and did: how many torn bytes lie in which file, and which damage it saw for the first time. */
export function encodeRecovered(found: {
  readonly tornBytes: number
  readonly tornFile: string | null
  readonly damage: readonly string[]
}): Buffer {
  return Buffer.from(JSON.stringify(found))
}

/** The damage that the line notes; none when it is something else. */
export function parseRecovered(line: Buffer): readonly string[] {
  try {
    const { damage } = JSON.parse(line.toString('utf8')) as { damage?: unknown }
    return Array.isArray(damage) ? damage.filter((key) => typeof key === 'string') : []
  } catch (error) {
    if (error instanceof SyntaxError) return []
    throw error
  }
}
