// Signed notes (c2sp.org/signed-note): a text, an empty line, and signature lines. The text means nothing until a
// known key's signature over it has verified; unknown keys are passed over, a known key that fails spoils the note.
import { verifyEd25519 } from './ed25519.ts'
import { isKeyName, type NoteSigner, type VerifierKey } from './note-key.ts'
import { decodeBase64 } from './base64.ts'

/** A checkpoint with room for witnesses' post-quantum cosignatures (5 kB each, the 16 that signed-note demands). */
export const longestNote: number = 128 * 1024

const mostSignatures = 64

export interface NoteSignature {
  readonly name: string
  readonly id: number
  readonly signature: Buffer
}

export interface Note {
  /** With its final newline: what is signed. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

/** How far a note can be believed. */
export type NoteTrust = 'signed' | 'unknown-key' | 'bad-signature'

/** The note over `text` (which ends in a newline) with one signature. */
export function signNote(text: string, signer: NoteSigner): string {
  const id = Buffer.alloc(4)
  id.writeUInt32BE(signer.id)
  const signature = Buffer.concat([id, signer.sign(Buffer.from(text))])
  return `${text}\n— ${signer.name} ${signature.toString('base64')}\n`
}

/** Takes a note apart; undefined unless it is well-formed. Nothing is verified here. */
export function parseNote(note: string): Note | undefined {
  if (note.length > longestNote || !note.isWellFormed() || /[\0-\u0009\u000b-\u001f]/.test(note)) return undefined
  const end = note.lastIndexOf('\n\n')
  if (end < 0 || !note.endsWith('\n')) return undefined
  const lines = note.slice(end + 2, -1).split('\n')
  if (lines.length > mostSignatures) return undefined
  const signatures = lines.map(parseSignature)
  if (!signatures.every((signature) => signature !== undefined)) return undefined
  return { text: note.slice(0, end + 1), signatures }
}

/** Whether one of `keys` signed the note: all its signatures by them must verify, and there must be one. */
export function trustNote(note: Note, keys: readonly VerifierKey[]): NoteTrust {
  let trust: NoteTrust = 'unknown-key'
  for (const { name, id, signature } of note.signatures) {
    const key = keys.find((known) => known.name === name && known.id === id)
    if (key === undefined) continue
    if (!verifyEd25519(key.publicKey, Buffer.from(note.text), signature)) return 'bad-signature'
    trust = 'signed'
  }
  return trust
}

function parseSignature(line: string): NoteSignature | undefined {
  const [, name = '', base64 = ''] = /^— (\S+) (\S+)$/.exec(line) ?? []
  const bytes = decodeBase64(base64)
  if (!isKeyName(name) || bytes === undefined || bytes.length <= 4) return undefined
  return { name, id: bytes.readUInt32BE(0), signature: bytes.subarray(4) }
}
