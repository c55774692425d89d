import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { consistencyProof, Frontier, inclusionProof, leafHash } from '../../src/ledger/merkle.ts'
import { consistencyNodes, inclusionNodes, joinNodes, type TreeNode } from '../../src/ledger/stored-tree.ts'

const longest = 300
const leaves = Array.from({ length: longest }, (_, index) => leafHash(Buffer.from(`leaf ${index}`)))

/** Every node that a tree of `longest` leaves ever finished. */
const nodes = new Map<string, Buffer>()
const frontier = new Frontier()
for (const [index, leaf] of leaves.entries()) {
  nodes.set(`0/${index}`, leaf)
  frontier.append(leaf, (level, at, hash) => nodes.set(`${level}/${at}`, hash))
}

function proofFrom(parts: readonly (readonly TreeNode[])[], size: number): Buffer[] {
  return parts.map((part) =>
    joinNodes(
      part.map(({ level, index }) => {
        const node = nodes.get(`${level}/${index}`)
        // What a tree of that size had not finished may not be used.
        if (node === undefined || (index + 1) * 2 ** level > size) throw new Error(`node ${level}/${index} of ${size}`)
        return node
      }),
    ),
  )
}

test('an inner node is told of once, and there are as many as a tree of that size has', () => {
  const ones = longest.toString(2).replaceAll('0', '').length
  expect(nodes.size).toBe(longest + longest - ones)
})

test('kept nodes give the inclusion proof of every leaf in a tree of every size', () => {
  for (let size = 1; size <= 70; size++)
    for (let index = 0; index < size; index++)
      expect(proofFrom(inclusionNodes(index, size), size)).toEqual(inclusionProof(leaves.slice(0, size), index))
})

test('kept nodes give the proof that any tree is a prefix of any later one', () => {
  const pairs = fc.tuple(fc.integer({ min: 1, max: longest }), fc.integer({ min: 1, max: longest }))
  fc.assert(
    fc.property(pairs, ([one, other]) => {
      const [first, size] = one <= other ? [one, other] : [other, one]
      expect(proofFrom(consistencyNodes(first, size), size)).toEqual(consistencyProof(leaves.slice(0, size), first))
    }),
    { numRuns: 300 },
  )
})

test('a proof in a ledger of millions is made of a few dozen nodes', () => {
  const size = 2 ** 33 - 1
  for (const index of [0, 1, size - 1, 2 ** 32, 123_456_789])
    expect(inclusionNodes(index, size).flat().length).toBeLessThan(80)
  expect(consistencyNodes(2 ** 32 + 5, size).flat().length).toBeLessThan(80)
})

test('what is outside the tree is our own mistake', () => {
  for (const [index, size] of [
    [0, 0],
    [3, 3],
    [-1, 3],
    [0.5, 3],
  ] as const)
    expect(() => inclusionNodes(index, size)).toThrow()
  for (const [first, size] of [
    [0, 3],
    [4, 3],
    [-1, 3],
  ] as const)
    expect(() => consistencyNodes(first, size)).toThrow()
})
