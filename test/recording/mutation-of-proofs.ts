import { signCheckpoint } from '../../src/ledger/checkpoint.ts'
import { noteSigner } from '../../src/ledger/note-key.ts'
import { encodeProof, parseProof, type RecordingProof } from '../../src/recording/proof.ts'
import { proofName } from '../../src/recording/verify-file.ts'
import type { Chance } from './chance.ts'
import type { Random } from './evidence.ts'
import { type Mutation, pickTwo, sealedOf, spoilings } from './mutation.ts'

/** Signs as the ledger does, with a key of its own. */
export const stranger: ReturnType<typeof noteSigner> = noteSigner('halligan/test', Buffer.alloc(32, 77))
const witness = noteSigner('witness.example/1', Buffer.alloc(32, 78))

type Change = (proof: RecordingProof, chance: Chance, from: Random) => RecordingProof | undefined

const other = (hash: Buffer | Uint8Array, chance: Chance) => {
  const bytes = Buffer.from(hash)
  bytes[chance.below(bytes.length)]! ^= 1 + chance.below(255)
  return bytes
}

const changes: readonly { readonly name: string; readonly change: Change }[] = [
  {
    name: 'of another index',
    change: (proof, chance) => ({ ...proof, index: proof.index + (chance.isOnceIn(2) ? 1 : -1) }),
  },
  {
    name: 'with a shorter path',
    change: ({ path, ...proof }, chance) => ({ ...proof, path: path.toSpliced(chance.below(path.length), 1) }),
  },
  {
    name: 'with a longer path',
    change: ({ path, ...proof }, chance) => ({ ...proof, path: [...path, chance.pick(path)] }),
  },
  {
    name: 'with another hash in its path',
    change: ({ path, ...proof }, chance) => {
      const at = chance.below(path.length)
      return { ...proof, path: path.with(at, other(path[at] ?? Buffer.alloc(32), chance)) }
    },
  },
  {
    name: 'without a frame',
    change: ({ frames, ...proof }, chance) => ({ ...proof, frames: frames.toSpliced(chance.below(frames.length), 1) }),
  },
  {
    name: 'with a frame twice',
    change: ({ frames, ...proof }, chance) => ({ ...proof, frames: [...frames, chance.pick(frames)] }),
  },
  {
    name: 'with another root of a frame',
    change: ({ frames, ...proof }, chance) => {
      const at = chance.below(frames.length)
      const frame = frames[at]
      return frame && { ...proof, frames: frames.with(at, { ...frame, root: other(frame.root, chance) }) }
    },
  },
  {
    name: 'that counts the lines of frames otherwise',
    change: ({ frames, ...proof }, chance) => {
      const at = chance.below(frames.length)
      const [frame, next] = [frames[at], frames[at + 1]]
      if (frame === undefined) return undefined
      const more = frames.with(at, { ...frame, lines: frame.lines + 1 })
      const isKept = next !== undefined && next.lines > 1
      return { ...proof, frames: isKept ? more.with(at + 1, { ...next, lines: next.lines - 1 }) : more }
    },
  },
  {
    name: 'that ends frames at other times',
    change: ({ frames, ...proof }, chance) => {
      const at = chance.below(frames.length)
      const frame = frames[at]
      return frame && { ...proof, frames: frames.with(at, { ...frame, endMs: frame.endMs + 1 + chance.below(1000) }) }
    },
  },
  {
    name: 'with another leaf of the ledger',
    change: (proof, chance, { all }) => {
      const index = chance.below(all.rows.length)
      return index === proof.index ? undefined : { ...proof, leaf: Buffer.from(all.rows[index]?.leaf ?? []) }
    },
  },
  {
    name: 'whose seal is of another state',
    change: (proof) => {
      const leaf = proof.leaf
        .toString()
        .replace(/"state":"(\w+)"/, (_, state) => `"state":"${state === 'complete' ? 'damaged' : 'complete'}"`)
      return { ...proof, leaf: Buffer.from(leaf) }
    },
  },
  { name: 'that names another key', change: (proof) => ({ ...proof, key: stranger }) },
  {
    name: 'signed by another key of the same name',
    change: (proof, _, { all }) => ({
      ...proof,
      checkpoint: signCheckpoint({ size: all.rows.length, root: all.root(all.rows.length) }, stranger),
      key: stranger,
    }),
  },
  {
    name: 'signed by another ledger',
    change: (proof, _, { all }) => ({
      ...proof,
      checkpoint: signCheckpoint({ size: all.rows.length, root: all.root(all.rows.length) }, witness),
      key: witness,
    }),
  },
  {
    name: 'with an earlier checkpoint of the same ledger',
    change: (proof, chance, { earlier }) => {
      const checkpoint = chance.pick(earlier)
      return checkpoint === proof.checkpoint ? undefined : { ...proof, checkpoint }
    },
  },
  {
    name: 'whose checkpoint claims more rows',
    change: ({ checkpoint, ...proof }, chance) => ({
      ...proof,
      checkpoint: checkpoint.replace(/\n(\d+)\n/, (_, size) => `\n${Number(size) + 1 + chance.below(9)}\n`),
    }),
  },
]

/** Changes the text of one proof. */
const ofText = (
  name: string,
  expected: Mutation['expected'],
  change: (text: string, chance: Chance, from: Random) => string | undefined,
): Mutation => ({
  name: `proof ${name}`,
  scope: 'file',
  expected,
  apply: (changed, from, chance) => {
    const name = proofName(chance.pick(sealedOf(from)).file)
    const text = changed.files.get(name)?.toString() ?? ''
    const other = change(text, chance, from)
    if (other === undefined || other === text) return false
    changed.files.set(name, Buffer.from(other))
    return true
  },
})

export const proofMutations: readonly Mutation[] = [
  ...spoilings.map(({ name, spoil }): Mutation => ({
    name: `proof: ${name}`,
    scope: 'file',
    expected: 'found',
    apply: (changed, from, chance) => {
      const name = proofName(chance.pick(sealedOf(from)).file)
      const bytes = changed.files.get(name) ?? Buffer.alloc(0)
      const other = spoil(bytes, chance)
      changed.files.set(name, other)
      // Read as text: what is no UTF-8 was changed all the more.
      return !other.equals(bytes)
    },
  })),
  ...changes.map(({ name, change }) =>
    ofText(name, 'found', (text, chance, from) => {
      const proof = parseProof(text)
      const other = proof && change(proof, chance, from)
      return other && encodeProof(other)
    }),
  ),
  ofText('with a carriage return a line', 'found', (text) => text.replaceAll('\n', '\r\n')),
  ofText('with a member more', 'found', (text) =>
    text.replace(/^extra (.*)$/m, (_, extra: string) => {
      const more = Buffer.from(extra, 'base64').toString().replace('{', '{"reviewed":true,')
      return `extra ${Buffer.from(more).toString('base64')}`
    }),
  ),
  ofText("with a witness's cosignature", 'nothing', (text) => {
    const note = signCheckpoint({ size: 1, root: Buffer.alloc(32) }, witness)
    return `${text}${note.slice(note.indexOf('\n\n') + 2)}`
  }),
  {
    name: "proof: another session's",
    scope: 'file',
    expected: 'found',
    apply: (changed, from, chance) => {
      const pair = pickTwo(sealedOf(from), chance)
      if (pair === undefined) return false
      changed.files.set(proofName(pair[0].file), changed.files.get(proofName(pair[1].file)) ?? Buffer.alloc(0))
      return true
    },
  },
  {
    name: 'proof deleted',
    scope: 'file',
    expected: 'found',
    apply: (changed, from, chance) => changed.files.delete(proofName(chance.pick(sealedOf(from)).file)),
  },
]
