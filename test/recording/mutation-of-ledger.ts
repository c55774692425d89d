import { encodeLeaf } from '../../src/audit.ts'
import { signCheckpoint } from '../../src/ledger/checkpoint.ts'
import { leafHash, treeRoot } from '../../src/ledger/merkle.ts'
import type { LedgerRow } from '../../src/recording/ledger-check.ts'
import type { Chance } from './chance.ts'
import type { Evidence, Random } from './evidence.ts'
import { type Mutation, spoilings } from './mutation.ts'
import { stranger } from './mutation-of-proofs.ts'

type Change = (
  rows: readonly LedgerRow[],
  at: number,
  row: LedgerRow,
  chance: Chance,
) => readonly LedgerRow[] | undefined

const fitting = (row: LedgerRow, leaf: Uint8Array): LedgerRow => ({ ...row, leaf, hash: leafHash(leaf) })
const renumbered = (rows: readonly LedgerRow[]) => rows.map((row, position) => ({ ...row, position }))

function edited({ leaf }: LedgerRow, chance: Chance): Buffer {
  const changed = Buffer.from(leaf)
  const at = chance.below(changed.length)
  changed[at] = (changed[at] ?? 0) ^ (1 + chance.below(255))
  return changed
}

const view = (chance: Chance) =>
  encodeLeaf(1, { type: 'session-viewed', session: 's0', by: chance.pick(['x', 'y']), how: 'replay' })

const changes: readonly { readonly name: string; readonly change: Change }[] = [
  { name: 'a row edited', change: (rows, at, row, chance) => rows.with(at, { ...row, leaf: edited(row, chance) }) },
  {
    name: 'a row edited, its hash with it',
    change: (rows, at, row, chance) => rows.with(at, fitting(row, edited(row, chance))),
  },
  {
    name: 'another hash beside a row',
    change: (rows, at, row, chance) => rows.with(at, { ...row, hash: leafHash(Buffer.from([chance.below(256)])) }),
  },
  { name: 'a row dropped', change: (rows, at) => rows.toSpliced(at, 1) },
  { name: 'a row dropped, the others renumbered', change: (rows, at) => renumbered(rows.toSpliced(at, 1)) },
  { name: 'rows cut off', change: (rows, at) => rows.slice(0, at) },
  {
    name: 'rows swapped',
    change: (rows, at, row, chance) => {
      const other = chance.below(rows.length)
      const second = rows[other]
      if (second === undefined || Buffer.from(second.leaf).equals(row.leaf)) return undefined
      return renumbered(rows.with(at, second).with(other, row))
    },
  },
  {
    name: 'a row twice',
    // The last one twice is a row more at the end.
    change: (rows, at, row) => (at === rows.length - 1 ? undefined : renumbered(rows.toSpliced(at, 0, row))),
  },
  {
    name: 'a row put in',
    change: (rows, at, row, chance) => renumbered(rows.toSpliced(at, 0, fitting(row, view(chance)))),
  },
  { name: 'a row written over', change: (rows, at, row, chance) => rows.with(at, fitting(row, view(chance))) },
  {
    name: 'a seal edited, its hash with it',
    change: (rows, _, __, chance) => {
      const seals = rows.filter(({ leaf }) => Buffer.from(leaf).includes('"session-sealed"'))
      const seal = chance.pick(seals)
      const leaf = Buffer.from(seal.leaf)
        .toString()
        .replace(/"lines":(\d+)/, (__, lines) => `"lines":${Number(lines) + 1}`)
      return rows.with(seal.position, fitting(seal, Buffer.from(leaf)))
    },
  },
]

const ofCheckpoint = (
  name: string,
  expected: Mutation['expected'],
  change: (state: Evidence, from: Random, chance: Chance) => boolean | void,
): Mutation => ({
  name: `checkpoint: ${name}`,
  scope: 'all',
  expected,
  apply: (changed, from, chance) => change(changed, from, chance) !== false,
})

const headOf = ({ rows }: Evidence) => ({ size: rows.length, root: treeRoot(rows.map(({ leaf }) => leafHash(leaf))) })
const anotherRoot = leafHash(Buffer.from('another history'))

export const ledgerMutations: readonly Mutation[] = [
  ...changes.map(({ name, change }): Mutation => ({
    name: `ledger: ${name}`,
    scope: 'all',
    expected: 'found',
    apply: (changed, _, chance) => {
      const at = chance.below(changed.rows.length)
      const row = changed.rows[at]
      const rows = row && change(changed.rows, at, row, chance)
      if (rows !== undefined) changed.rows = [...rows]
      return rows !== undefined
    },
  })),
  // Nobody has signed them yet, as nobody has signed what a running Halligan writes at this moment.
  ofCheckpoint('rows behind the last that is signed', 'doubted', (changed, _, chance) => {
    const position = changed.rows.length
    const leaf = chance.isOnceIn(2) ? chance.pick(changed.rows).leaf : view(chance)
    changed.rows.push(fitting({ position, leaf }, leaf))
  }),
  ...spoilings.map(({ name, spoil }) =>
    ofCheckpoint(`stored one ${name}`, 'found', (changed, _, chance) => {
      const before = changed.checkpoint ?? ''
      changed.checkpoint = spoil(Buffer.from(before), chance).toString()
      return changed.checkpoint !== before
    }),
  ),
  ...spoilings.map(({ name, spoil }) =>
    ofCheckpoint(`one from outside ${name}`, 'found', (changed, _, chance) => {
      const before = changed.outside
      changed.outside = spoil(Buffer.from(before), chance).toString()
      return changed.outside !== before
    }),
  ),
  ofCheckpoint('stored one deleted', 'found', (changed) => void (changed.checkpoint = undefined)),
  ofCheckpoint(
    'stored one by another key',
    'found',
    (changed) => void (changed.checkpoint = signCheckpoint(headOf(changed), stranger)),
  ),
  ofCheckpoint(
    'one from outside by another key',
    'found',
    (changed) => void (changed.outside = signCheckpoint(headOf(changed), stranger)),
  ),
  // The log's own key, in the hands of whoever runs the machine: two heads of one size.
  ofCheckpoint('stored one forked', 'found', (changed, { all }) => {
    changed.checkpoint = signCheckpoint({ size: changed.rows.length, root: anotherRoot }, all.signer)
  }),
  ofCheckpoint('one from outside forked', 'found', (changed, { all }) => {
    changed.outside = signCheckpoint({ size: changed.rows.length, root: anotherRoot }, all.signer)
  }),
  ofCheckpoint('stored one of rows that never were', 'found', (changed, { all }, chance) => {
    const size = changed.rows.length + 1 + chance.below(9)
    changed.checkpoint = signCheckpoint({ size, root: anotherRoot }, all.signer)
  }),
  ofCheckpoint('the ledger rolled back to an earlier one', 'found', (changed, { earlier, all }, chance) => {
    const checkpoint = chance.pick(earlier)
    const size = Number(checkpoint.split('\n')[1])
    if (size >= all.rows.length) return false
    changed.rows = changed.rows.slice(0, size)
    changed.checkpoint = checkpoint
    return true
  }),
  ofCheckpoint("rows rewritten under a new one by the log's key", 'found', (changed, { all }, chance) => {
    const at = chance.below(changed.rows.length)
    const row = changed.rows[at]
    if (row !== undefined) changed.rows[at] = fitting(row, view(chance))
    changed.checkpoint = signCheckpoint(headOf(changed), all.signer)
  }),
  // The newer ones, in proofs, epochs and outside, still see every row.
  ofCheckpoint('stored one exchanged for an earlier one', 'nothing', (changed, { earlier }, chance) => {
    changed.checkpoint = chance.pick(earlier)
  }),
]
