// The Merkle tree of RFC 6962 §2.1 and RFC 9162 §2.1 over SHA-256: roots, inclusion and consistency proofs, and a
// frontier that grows leaf by leaf in O(log n) memory. It knows hashes only, never what a leaf means. Everything that
// verifies takes sizes, indices and hashes as an attacker may have written them, and answers false instead of throwing.
import { createHash, hash } from 'node:crypto'
import { assert } from '../errors.ts'

/** SHA-256. */
export const hashBytes: number = 32

/** Longer proofs cannot belong to a tree of at most 2^53 leaves. */
export const longestProof: number = 54

const emptyRoot = hash('sha256', '', 'buffer')

// Trees of recordings have a leaf for every keystroke: allocating each input would cost more than hashing it.
const nodeInput = Buffer.alloc(1 + 2 * hashBytes, 1)
const leafInput = Buffer.alloc(4096)
const leafPrefix = Buffer.of(0)

/** Hash of a leaf's bytes: SHA-256(0x00 ‖ bytes). */
export function leafHash(bytes: Uint8Array): Buffer {
  const length = bytes.length + 1
  // A long leaf is not copied to stand behind its prefix: that would cost as much as hashing it.
  if (length > leafInput.length) return createHash('sha256').update(leafPrefix).update(bytes).digest()
  leafInput.set(bytes, 1)
  return hash('sha256', leafInput.subarray(0, length), 'buffer')
}

/** Hash of an inner node: SHA-256(0x01 ‖ left ‖ right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  nodeInput.set(left, 1)
  nodeInput.set(right, 1 + hashBytes)
  return hash('sha256', nodeInput, 'buffer')
}

/** The right edge of a growing tree: the roots of its perfect subtrees, largest first. */
export class Frontier {
  /** One root per bit set in `#size`, highest bit first. */
  readonly #peaks: Buffer[]
  #size: number

  constructor() {
    this.#peaks = []
    this.#size = 0
  }

  /**
   * Takes up a tree again from what `size` and `peaks` gave earlier.
   * Fails (our own mistake) when `peaks` are not as many as a tree of that size has.
   */
  static from(size: number, peaks: readonly Uint8Array[]): Frontier {
    assert(isSize(size) && peaks.length === bitCount(size) && peaks.every(isHash), `a frontier of ${size} leaves`)
    const frontier = new Frontier()
    frontier.#size = size
    frontier.#peaks.push(...peaks.map((peak) => Buffer.from(peak)))
    return frontier
  }

  /** Leaves so far. */
  get size(): number {
    return this.#size
  }

  /** Roots of the perfect subtrees, largest first: with `size` all that is needed to go on later. */
  get peaks(): readonly Buffer[] {
    return this.#peaks
  }

  /**
   * Adds the next leaf by its hash (see `leafHash`), which is kept and must not change. `onFinished` is told of each inner
   * node that the leaf completes, lowest first: level 1 joins two leaves, `index` counts the nodes of a level.
   */
  append(leaf: Uint8Array, onFinished?: (level: number, index: number, hash: Buffer) => void): void {
    let node: Buffer = Buffer.isBuffer(leaf) ? leaf : Buffer.from(leaf)
    let level = 0
    for (let rest = this.#size; rest % 2 === 1; rest = Math.floor(rest / 2)) {
      const left = this.#peaks.pop()
      assert(left !== undefined, 'a frontier has a peak for every bit of its size')
      node = nodeHash(left, node)
      level += 1
      onFinished?.(level, Math.floor(rest / 2), node)
    }
    this.#peaks.push(node)
    this.#size += 1
  }

  /** RFC 6962 root of the leaves so far; of none, the hash of the empty string. */
  root(): Buffer {
    return (
      this.#peaks.reduceRight<Buffer | undefined>(
        (right, left) => (right === undefined ? left : nodeHash(left, right)),
        undefined,
      ) ?? emptyRoot
    )
  }

  /** Inclusion proof of the leaf appended next, in the tree that ends with it: what a seal needs at once. */
  nextInclusionProof(): Buffer[] {
    return this.#peaks.toReversed()
  }
}

/** Root over leaf hashes (RFC 6962 §2.1). */
export function treeRoot(leaves: Iterable<Uint8Array>): Buffer {
  const frontier = new Frontier()
  for (const leaf of leaves) frontier.append(leaf)
  return frontier.root()
}

/**
 * Audit path of leaf `index` in the tree over `leaves` (leaf hashes), lowest sibling first (RFC 6962 §2.1.1). O(n).
 * Fails (our own mistake) when the index is outside.
 */
export function inclusionProof(leaves: readonly Uint8Array[], index: number): Buffer[] {
  assert(isSize(index) && index < leaves.length, `leaf ${index} in a tree of ${leaves.length}`)
  if (leaves.length === 1) return []
  const split = largestPowerBelow(leaves.length)
  const left = leaves.slice(0, split)
  const right = leaves.slice(split)
  return index < split
    ? [...inclusionProof(left, index), treeRoot(right)]
    : [...inclusionProof(right, index - split), treeRoot(left)]
}

/**
 * Proof that the tree over the first `size` of `leaves` (leaf hashes) is a prefix of the whole (RFC 6962 §2.1.2). O(n).
 * Empty for equal sizes. Fails (our own mistake) unless 0 < size <= leaves.length.
 */
export function consistencyProof(leaves: readonly Uint8Array[], size: number): Buffer[] {
  assert(isSize(size) && size > 0 && size <= leaves.length, `a prefix of ${size} in a tree of ${leaves.length}`)
  return subproof(leaves, size, true)
}

function subproof(leaves: readonly Uint8Array[], size: number, isKnown: boolean): Buffer[] {
  if (size === leaves.length) return isKnown ? [] : [treeRoot(leaves)]
  const split = largestPowerBelow(leaves.length)
  const left = leaves.slice(0, split)
  const right = leaves.slice(split)
  return size <= split
    ? [...subproof(left, size, isKnown), treeRoot(right)]
    : [...subproof(right, size - split, false), treeRoot(left)]
}

/** Whether `proof` leads from the leaf hash at `index` to `root` in a tree of `size` (RFC 9162 §2.1.3.2). */
export function verifyInclusion(tree: {
  readonly leaf: Uint8Array
  readonly index: number
  readonly size: number
  readonly root: Uint8Array
  readonly proof: readonly Uint8Array[]
}): boolean {
  const { leaf, index, size, root, proof } = tree
  if (!isSize(index) || !isSize(size) || index >= size) return false
  if (proof.length > longestProof || ![leaf, root, ...proof].every(isHash)) return false
  let node = index
  let last = size - 1
  let computed: Uint8Array = leaf
  for (const sibling of proof) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      computed = nodeHash(sibling, computed)
      // A node without right sibling rises until it is one.
      while (node % 2 === 0 && node !== 0) [node, last] = [Math.floor(node / 2), Math.floor(last / 2)]
    } else {
      computed = nodeHash(computed, sibling)
    }
    node = Math.floor(node / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && Buffer.compare(computed, root) === 0
}

/** Whether the tree of `firstSize` is a prefix of the one of `secondSize` (RFC 9162 §2.1.4.2). The empty tree is a prefix of any. */
export function verifyConsistency(trees: {
  readonly firstSize: number
  readonly firstRoot: Uint8Array
  readonly secondSize: number
  readonly secondRoot: Uint8Array
  readonly proof: readonly Uint8Array[]
}): boolean {
  const { firstSize, firstRoot, secondSize, secondRoot, proof } = trees
  if (!isSize(firstSize) || !isSize(secondSize) || firstSize > secondSize) return false
  if (proof.length > longestProof || ![firstRoot, secondRoot, ...proof].every(isHash)) return false
  if (firstSize === 0) return proof.length === 0 && emptyRoot.equals(firstRoot)
  if (firstSize === secondSize) return proof.length === 0 && Buffer.compare(firstRoot, secondRoot) === 0
  // A perfect first tree is itself the first node of the path, and so is left out of the proof.
  const path = isPowerOfTwo(firstSize) ? [firstRoot, ...proof] : proof
  const [start, ...rest] = path
  if (start === undefined) return false
  let node = firstSize - 1
  let last = secondSize - 1
  while (node % 2 === 1) [node, last] = [Math.floor(node / 2), Math.floor(last / 2)]
  let first: Uint8Array = start
  let second: Uint8Array = start
  for (const sibling of rest) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      first = nodeHash(sibling, first)
      second = nodeHash(sibling, second)
      while (node % 2 === 0 && node !== 0) [node, last] = [Math.floor(node / 2), Math.floor(last / 2)]
    } else {
      second = nodeHash(second, sibling)
    }
    node = Math.floor(node / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && Buffer.compare(first, firstRoot) === 0 && Buffer.compare(second, secondRoot) === 0
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function isHash(value: Uint8Array): boolean {
  return value.length === hashBytes
}

/** Largest power of two below `size` (> 1): where RFC 6962 splits a tree. */
export function largestPowerBelow(size: number): number {
  let power = 1
  while (power * 2 < size) power *= 2
  return power
}

function isPowerOfTwo(size: number): boolean {
  return bitCount(size) === 1
}

function bitCount(size: number): number {
  let bits = 0
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2
  return bits
}
