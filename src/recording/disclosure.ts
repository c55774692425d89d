// One event shown with its proof and without the rest: the line, its path to the root of its frame, and the recording's
// `.proof`, whose frame roots lead to the seal in the ledger. Whoever gets it learns this line, how many there are and when
// frames ended; of other lines only hashes.

import { inclusionProof, leafHash, verifyInclusion } from '../ledger/merkle.ts'
import { decodeBase64 } from '../ledger/base64.ts'
import type { Checkpoint } from '../ledger/checkpoint.ts'
import type { InstallationKey } from '../ledger/note-key.ts'
import type { FindingCode } from './finding.ts'
import { openProof } from './proof-check.ts'
import { longestProofText, parseObject } from './proof.ts'

/** A disclosed line of at most 64 MiB is base64 in JSON; with the proof this is the longest text that can be one. */
export const longestDisclosure: number = 2 * 64 * 1024 * 1024 + 2 * longestProofText

export interface Disclosure {
  /** Number of the line in the recording, from 0 for the header. */
  readonly seq: number
  /** The line's very bytes, without newline. */
  readonly line: Buffer
  /** Sibling hashes from the line to the root of its frame, lowest first. */
  readonly path: readonly Buffer[]
  /** Text of the recording's `.proof`. */
  readonly proof: string
}

/** The disclosure of the line at `index` among `lines`, all lines of its frame, of which the first has the number `firstSeq`. */
export function disclose(lines: readonly Buffer[], index: number, firstSeq: number, proof: string): Disclosure {
  const line = lines[index] ?? Buffer.alloc(0)
  const path = inclusionProof(
    lines.map((each) => leafHash(each)),
    index,
  )
  return { seq: firstSeq + index, line, path, proof }
}

/** The text of a disclosure: one JSON object. */
export function encodeDisclosure({ seq, line, path, proof }: Disclosure): string {
  const written = {
    format: 'halligan.dev/event@v1',
    seq,
    // Beside the bytes that count, so that people can read it; the verifier compares the two.
    event: JSON.parse(line.toString('utf8')) as unknown,
    line: line.toString('base64'),
    path: path.map((hash) => hash.toString('base64')),
    proof,
  }
  return `${JSON.stringify(written, null, 2)}\n`
}

export type OpenedDisclosure =
  | {
      readonly kind: 'opened'
      readonly disclosure: Disclosure
      readonly session: string
      readonly lines: number
      readonly checkpoint: Checkpoint
      /** False: signed by the key the proof itself brings. */
      readonly isPinned: boolean
    }
  | { readonly kind: 'refused'; readonly code: FindingCode; readonly detail: string }

/** Checks a disclosure, as an attacker may have written it. Never throws. */
export function openDisclosure(text: string, key: InstallationKey | undefined): OpenedDisclosure {
  const disclosure = text.length > longestDisclosure ? undefined : parseDisclosure(text)
  if (disclosure === undefined) return refused('container_altered', 'the disclosure is not well-formed')
  const opened = openProof(disclosure.proof, key)
  if (opened.kind === 'refused') return opened
  const { seal, proof } = opened
  const { seq, line, path } = disclosure
  let firstSeq = 0
  const frame = proof.frames.find(({ lines }) => {
    const isHere = seq < firstSeq + lines
    if (!isHere) firstSeq += lines
    return isHere
  })
  if (frame === undefined) return refused('content_altered', `the recording has no event ${seq}`)
  const place = { index: seq - firstSeq, size: frame.lines, root: frame.root }
  if (!verifyInclusion({ leaf: leafHash(line), ...place, proof: path }))
    return refused('content_altered', `the line is not event ${seq} of session ${seal.session}`)
  return {
    kind: 'opened',
    disclosure,
    session: seal.session,
    lines: seal.lines,
    checkpoint: opened.checkpoint,
    isPinned: opened.isPinned,
  }
}

function parseDisclosure(text: string): Disclosure | undefined {
  const written = parseObject(text)
  const { format, seq, event, line, path, proof } = written ?? {}
  if (format !== 'halligan.dev/event@v1' || typeof line !== 'string' || typeof proof !== 'string') return undefined
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 0 || !Array.isArray(path)) return undefined
  const bytes = decodeBase64(line)
  const hashes = path.map((hash: unknown) => (typeof hash === 'string' ? decodeBase64(hash) : undefined))
  if (bytes === undefined || !hashes.every((hash) => hash !== undefined)) return undefined
  if (!isSame(event, bytes)) return undefined
  return { seq, line: bytes, path: hashes, proof }
}

/** What people read must be what is proven. */
function isSame(event: unknown, line: Buffer): boolean {
  try {
    return JSON.stringify(event) === JSON.stringify(JSON.parse(line.toString('utf8')))
  } catch {
    // Bytes that are no JSON are nobody's event.
    return false
  }
}

function refused(code: FindingCode, detail: string): OpenedDisclosure {
  return { kind: 'refused', code, detail }
}
