// Checkpoints (c2sp.org/tlog-checkpoint): a signed note that says how many leaves the ledger has and what its root is.
import { decodeBase64 } from './base64.ts'
import { hashBytes } from './merkle.ts'
import { parseNote, signNote, trustNote } from './note.ts'
import type { NoteSigner, VerifierKey } from './note-key.ts'

export interface Checkpoint {
  /** Which log: `halligan/<installation>`. */
  readonly origin: string
  /** Leaves. */
  readonly size: number
  /** RFC 6962 root, 32 bytes. */
  readonly root: Buffer
}

/** What reading a checkpoint gave. Only `signed` may be believed. */
export type OpenedCheckpoint =
  | { readonly kind: 'signed'; readonly checkpoint: Checkpoint }
  | { readonly kind: 'unknown-key' | 'bad-signature'; readonly checkpoint: Checkpoint; readonly signers: string[] }
  | { readonly kind: 'malformed' }

/** The signed checkpoint over a tree head. The signer's name is the origin. */
export function signCheckpoint(head: { readonly size: number; readonly root: Uint8Array }, signer: NoteSigner): string {
  return signNote(`${signer.name}\n${head.size}\n${Buffer.from(head.root).toString('base64')}\n`, signer)
}

/** Reads a checkpoint and says whether `key`, whose name must be the origin, signed it. Never throws. */
export function openCheckpoint(text: string, key: VerifierKey): OpenedCheckpoint {
  const note = parseNote(text)
  const checkpoint = note && parseBody(note.text)
  if (note === undefined || checkpoint === undefined) return { kind: 'malformed' }
  const trust = checkpoint.origin === key.name ? trustNote(note, [key]) : 'unknown-key'
  if (trust === 'signed') return { kind: 'signed', checkpoint }
  return { kind: trust, checkpoint, signers: note.signatures.map(({ name }) => name) }
}

function parseBody(text: string): Checkpoint | undefined {
  const [origin = '', size = '', base64 = '', ...extensions] = text.slice(0, -1).split('\n')
  const root = decodeBase64(base64)
  if (origin === '' || !/^(0|[1-9][0-9]{0,15})$/.test(size) || root?.length !== hashBytes) return undefined
  if (extensions.some((line) => line === '') || !Number.isSafeInteger(Number(size))) return undefined
  return { origin, size: Number(size), root }
}
