// What a `.proof` proves, step by step: it is well-formed, its checkpoint is signed, its leaf stands in that tree, and the
// leaf is a seal. Whether the recording is the sealed one is another question (recording-check.ts).
import { type Checkpoint, openCheckpoint } from '../ledger/checkpoint.ts'
import { leafHash, verifyInclusion } from '../ledger/merkle.ts'
import type { InstallationKey } from '../ledger/note-key.ts'
import { contentRoot } from './content-tree.ts'
import type { FindingCode } from './finding.ts'
import { parseProof, type RecordingProof } from './proof.ts'
import { parseSealLeaf, type SealLeaf } from './seal-leaf.ts'

export type OpenedProof =
  | {
      readonly kind: 'opened'
      readonly proof: RecordingProof
      readonly seal: SealLeaf
      readonly checkpoint: Checkpoint
      /** False: signed by the key the proof itself brings, which proves nothing about who signed. */
      readonly isPinned: boolean
    }
  | { readonly kind: 'refused'; readonly code: FindingCode; readonly detail: string }

/** Checks a `.proof` on its own. `key`: what the verifier has pinned. Never throws. */
export function openProof(text: string, key: InstallationKey | undefined): OpenedProof {
  const proof = parseProof(text)
  if (proof === undefined) return refused('container_altered', 'the proof is not well-formed')
  const opened = openCheckpoint(proof.checkpoint, key?.log ?? proof.key)
  if (opened.kind === 'malformed') return refused('container_altered', "the proof's checkpoint is not well-formed")
  if (opened.kind === 'unknown-key')
    return refused('unknown_key', `the checkpoint is signed by ${opened.signers.join(', ')} with another key`)
  if (opened.kind === 'bad-signature')
    return refused('container_altered', "the signature of the proof's checkpoint does not verify")
  if (key !== undefined && !(key.log.name === proof.key.name && key.log.publicKey.equals(proof.key.publicKey)))
    return refused('container_altered', 'the proof names another key than the one that signed it')
  const { checkpoint } = opened
  const { index, path } = proof
  const { size, root } = checkpoint
  if (!verifyInclusion({ leaf: leafHash(proof.leaf), index, size, root, proof: path }))
    return refused('container_altered', `the seal does not stand at leaf ${index} of the ${size} in the checkpoint`)
  const seal = parseSealLeaf(proof.leaf)
  if (seal === undefined) return refused('container_altered', `leaf ${index} is not a seal`)
  if (!contentRoot(proof.frames).equals(seal.root))
    return refused('container_altered', 'the frame roots of the proof do not lead to the sealed root')
  const lines = proof.frames.reduce((sum, frame) => sum + frame.lines, 0)
  if (lines !== seal.lines)
    return refused('container_altered', `the frames of the proof have ${lines} lines, the seal ${seal.lines}`)
  return { kind: 'opened', proof, seal, checkpoint, isPinned: key !== undefined }
}

function refused(code: FindingCode, detail: string): OpenedProof {
  return { kind: 'refused', code, detail }
}
