// A ledger that keeps every finished inner node can prove anything from a handful of them: this names the nodes a proof is
// made of. Sizes and indices are our own; what a stranger claims is judged in merkle.ts.

import { assert } from '../errors.ts'
import { largestPowerBelow, nodeHash } from './merkle.ts'

/** The perfect subtree over leaves `index · 2^level` up to `(index + 1) · 2^level`; level 0 is the leaf itself. */
export interface TreeNode {
  readonly level: number
  readonly index: number
}

/**
 * The siblings of leaf `index` in the tree of `size`, lowest first (RFC 6962 §2.1.1): each as the finished nodes it is made
 * of, left to right. Fails (our own mistake) when the index is outside.
 */
export function inclusionNodes(index: number, size: number): TreeNode[][] {
  assert(Number.isSafeInteger(index) && index >= 0 && index < size, `leaf ${index} in a tree of ${size}`)
  return siblingsOf(index, 0, size).map(finishedNodes)
}

/**
 * What proves that the tree of `first` leaves is a prefix of the one of `size` (RFC 6962 §2.1.2), likewise. Empty for equal
 * sizes. Fails (our own mistake) unless 0 < first <= size.
 */
export function consistencyNodes(first: number, size: number): TreeNode[][] {
  assert(Number.isSafeInteger(first) && first > 0 && first <= size, `a prefix of ${first} in a tree of ${size}`)
  return remainderOf(first, 0, size, true).map(finishedNodes)
}

/** The hash of a sibling from the hashes of its nodes, left to right. */
export function joinNodes(hashes: readonly Buffer[]): Buffer {
  const last = hashes.at(-1)
  assert(last !== undefined, 'a sibling has at least one node')
  return hashes.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last)
}

type Leaves = readonly [from: number, to: number]

function siblingsOf(index: number, from: number, to: number): Leaves[] {
  if (to - from === 1) return []
  const split = from + largestPowerBelow(to - from)
  return index < split
    ? [...siblingsOf(index, from, split), [split, to]]
    : [...siblingsOf(index, split, to), [from, split]]
}

function remainderOf(first: number, from: number, to: number, isKnown: boolean): Leaves[] {
  if (first === to) return isKnown ? [] : [[from, to]]
  const split = from + largestPowerBelow(to - from)
  return first <= split
    ? [...remainderOf(first, from, split, isKnown), [split, to]]
    : [...remainderOf(first, split, to, false), [from, split]]
}

/** Every range of a proof starts where a subtree of its size or larger starts, so it falls into finished ones. */
function finishedNodes([from, to]: Leaves): TreeNode[] {
  const nodes: TreeNode[] = []
  for (let start = from; start < to;) {
    let level = 0
    while (start % 2 ** (level + 1) === 0 && start + 2 ** (level + 1) <= to) level++
    nodes.push({ level, index: start / 2 ** level })
    start += 2 ** level
  }
  return nodes
}
