import { constants, zstdCompressSync } from 'node:zlib'
import { bytesOf, decodeLine, encodeLine } from '../../src/recording/event-line.ts'
import { proofName } from '../../src/recording/verify-file.ts'
import type { Chance } from './chance.ts'
import type { Random } from './evidence.ts'
import { type Mutation, pickTwo, type Sealed, sealedOf, spoilings } from './mutation.ts'
import { sealed } from './sealed.ts'

/** Other lines, or none where these cannot be had. */
type Edit = (lines: readonly Buffer[], chance: Chance, from: Random, session: Sealed) => readonly Buffer[] | undefined

const dot = Buffer.from('.')

const edits: readonly { readonly name: string; readonly edit: Edit }[] = [
  {
    name: 'swapped',
    edit: (lines, chance) => {
      const [one, other] = pickTwo([...lines.keys()], chance) ?? [0, 0]
      const [a, b] = [lines[one], lines[other]]
      return a === undefined || b === undefined || a.equals(b) ? undefined : lines.with(one, b).with(other, a)
    },
  },
  {
    name: 'duplicated',
    edit: (lines, chance) => lines.toSpliced(chance.below(lines.length + 1), 0, chance.pick(lines)),
  },
  { name: 'dropped', edit: (lines, chance) => lines.toSpliced(chance.below(lines.length), 1) },
  { name: 'dropped to the end', edit: (lines, chance) => lines.slice(0, chance.below(lines.length)) },
  {
    name: 'of another session put in',
    edit: (lines, chance, from, { session }) => {
      const other = chance.pick(from.sessions.filter((one) => one.session !== session))
      return lines.toSpliced(chance.below(lines.length + 1), 0, chance.pick(other.lines))
    },
  },
  {
    name: 'exchanged for one of another session',
    edit: (lines, chance, from, { session }) => {
      const other = chance.pick(chance.pick(from.sessions.filter((one) => one.session !== session)).lines)
      const at = chance.below(lines.length)
      return lines[at]?.equals(other) === true ? undefined : lines.with(at, other)
    },
  },
  {
    name: 'saying something else',
    edit: (lines, chance) => {
      const at = chance.below(lines.length)
      const line = lines[at] ?? Buffer.alloc(0)
      const heard = bytesOf(decodeLine(line))
      const said =
        heard === null ? line : encodeLine(0, { kind: 'bytes', ...heard, bytes: Buffer.concat([heard.bytes, dot]) })
      return said.equals(line) ? undefined : lines.with(at, said)
    },
  },
  {
    name: 'whose header claims another owner',
    edit: (lines, chance) => {
      const header = lines[0]?.toString() ?? ''
      const other = header.replace(/"user":"\w+"/, `"user":"${chance.pick(['mallory', 'alice', 'bob'])}"`)
      return other === header ? undefined : lines.with(0, Buffer.from(other))
    },
  },
]

type Repack = (lines: readonly Buffer[], chance: Chance) => Buffer

const lined = (lines: readonly Buffer[]) => Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]))
const packed = (content: Buffer, level: number) =>
  zstdCompressSync(content, {
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: level % 2 },
  })

const repacks: readonly { readonly name: string; readonly repack: Repack }[] = [
  { name: 'in one frame', repack: (lines, chance) => packed(lined(lines), 1 + chance.below(19)) },
  {
    name: 'a frame a line',
    repack: (lines, chance) => Buffer.concat(lines.map((line) => packed(lined([line]), 1 + chance.below(6)))),
  },
  {
    name: 'with a frame of nothing behind it',
    repack: (lines) => Buffer.concat([packed(lined(lines), 3), packed(Buffer.alloc(0), 3)]),
  },
  { name: 'without its last newline', repack: (lines) => packed(lined(lines).subarray(0, -1), 3) },
]

const ofFile = (name: string, change: (file: Buffer, chance: Chance) => Buffer): Mutation => ({
  name: `recording: ${name}`,
  scope: 'file',
  expected: 'found',
  apply: (changed, from, chance) => {
    const { file } = chance.pick(sealedOf(from))
    changed.files.set(file, change(changed.files.get(file) ?? Buffer.alloc(0), chance))
    return true
  },
})

const ofPair = (
  name: string,
  change: (files: Map<string, Buffer>, one: string, other: string) => void,
  expected: Mutation['expected'] = 'found',
): Mutation => ({
  name,
  scope: 'all',
  expected,
  apply: (changed, from, chance) => {
    const pair = pickTwo(sealedOf(from), chance)
    if (pair === undefined) return false
    change(changed.files, pair[0].file, pair[1].file)
    return true
  },
})

function move(files: Map<string, Buffer>, from: string, to: string): void {
  const file = files.get(from)
  files.delete(from)
  if (file !== undefined) files.set(to, file)
}

function swap(files: Map<string, Buffer>, one: string, other: string): void {
  const [a, b] = [files.get(one), files.get(other)]
  if (a !== undefined) files.set(other, a)
  if (b !== undefined) files.set(one, b)
}

const stray = (name: string) => name.replace(/s\d\./, 'sx.')

export const fileMutations: readonly Mutation[] = [
  ...spoilings.map(({ name, spoil }) => ofFile(name, spoil)),
  ofFile('rubbish behind it', (file, chance) =>
    Buffer.concat([file, Buffer.alloc(1 + chance.below(40), chance.below(256))]),
  ),
  ofFile('itself behind it', (file) => Buffer.concat([file, file])),
  ofFile('empty', () => Buffer.alloc(0)),
  ...edits.map(({ name, edit }): Mutation => ({
    name: `recording: lines ${name}, compressed again`,
    scope: 'file',
    expected: 'found',
    apply: async (changed, from, chance) => {
      const session = chance.pick(sealedOf(from))
      const lines = edit(session.lines, chance, from, session)
      if (lines === undefined) return false
      changed.files.set(session.file, (await sealed(lines)).file)
      return true
    },
  })),
  ...repacks.map(({ name, repack }): Mutation => ({
    name: `recording: the same lines ${name}`,
    scope: 'file',
    expected: 'found',
    apply: (changed, from, chance) => {
      const { file, lines } = chance.pick(sealedOf(from))
      changed.files.set(file, repack(lines, chance))
      return true
    },
  })),
  ofPair("recording: another session's", (files, one, other) => move(files, other, one)),
  ofPair('recordings exchanged', swap),
  ofPair('recordings exchanged, and their proofs', (files, one, other) => {
    swap(files, one, other)
    swap(files, proofName(one), proofName(other))
  }),
  ofPair('recording deleted', (files, one) => files.delete(one)),
  ofPair('recording deleted, and its proof', (files, one) => {
    files.delete(one)
    files.delete(proofName(one))
  }),
  ofPair('recording renamed', (files, one) => move(files, one, stray(one))),
  ofPair('recording renamed, and its proof', (files, one) => {
    move(files, one, stray(one))
    move(files, proofName(one), stray(proofName(one)))
  }),
  ofPair('recording moved to another day', (files, one) => {
    move(files, one, one.replace('/21/', '/22/'))
    move(files, proofName(one), proofName(one).replace('/21/', '/22/'))
  }),
  ofPair('recording copied under another name', (files, one) =>
    files.set(stray(one), files.get(one) ?? Buffer.alloc(0)),
  ),
]
