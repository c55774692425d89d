import { hash } from 'node:crypto'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  consistencyProof,
  Frontier,
  inclusionProof,
  leafHash,
  nodeHash,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
} from '../../src/ledger/merkle.ts'

// The leaves and answers that certificate-transparency implementations publish for RFC 6962.
const vectorLeaves = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]
const vectorRoots = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const leaves = vectorLeaves.map((leaf) => leafHash(Buffer.from(leaf, 'hex')))

test('roots of the published leaves are the published roots', () => {
  expect(vectorRoots.map((_, size) => hex(treeRoot(leaves.slice(0, size))))).toEqual(vectorRoots)
})

test('a frontier gives the published root at every size', () => {
  const frontier = new Frontier()
  const roots = [hex(frontier.root())]
  for (const leaf of leaves) {
    frontier.append(leaf)
    roots.push(hex(frontier.root()))
  }
  expect(roots).toEqual(vectorRoots)
})

const inclusionVectors = [
  { index: 0, size: 1, want: [] },
  {
    index: 0,
    size: 8,
    want: [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  },
  {
    index: 5,
    size: 8,
    want: [
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  },
  { index: 2, size: 3, want: ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'] },
  {
    index: 1,
    size: 5,
    want: [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  },
]
for (const { index, size, want } of inclusionVectors)
  test(`the inclusion proof of leaf ${index} in ${size} is the published one`, () => {
    expect(inclusionProof(leaves.slice(0, size), index).map(hex)).toEqual(want)
  })

const consistencyVectors = [
  { first: 1, second: 1, want: [] },
  {
    first: 1,
    second: 8,
    want: [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  },
  {
    first: 6,
    second: 8,
    want: [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  },
  {
    first: 2,
    second: 5,
    want: [
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  },
]
for (const { first, second, want } of consistencyVectors)
  test(`the consistency proof from ${first} to ${second} is the published one`, () => {
    expect(consistencyProof(leaves.slice(0, second), first).map(hex)).toEqual(want)
  })

/** RFC 6962 §2.1 word for word, as an oracle. */
function naiveRoot(list: readonly Uint8Array[]): Buffer {
  if (list.length === 0) return hash('sha256', '', 'buffer')
  if (list.length === 1) return Buffer.from(list[0] ?? [])
  let split = 1
  while (split * 2 < list.length) split *= 2
  return nodeHash(naiveRoot(list.slice(0, split)), naiveRoot(list.slice(split)))
}

/** All different: equal leaves prove each other. */
const someLeaves = fc
  .uniqueArray(fc.bigInt({ min: 0n, max: 1n << 64n }), { minLength: 1, maxLength: 70 })
  .map((list) => list.map((number) => leafHash(Buffer.from(number.toString(16)))))

test('any tree: frontier, root, resumed frontier and oracle agree', () => {
  fc.assert(
    fc.property(someLeaves, fc.nat(), (list, at) => {
      const cut = at % list.length
      const frontier = new Frontier()
      for (const leaf of list.slice(0, cut)) frontier.append(leaf)
      const resumed = Frontier.from(frontier.size, frontier.peaks)
      for (const leaf of list.slice(cut)) resumed.append(leaf)
      expect(hex(resumed.root())).toBe(hex(naiveRoot(list)))
      expect(hex(treeRoot(list))).toBe(hex(naiveRoot(list)))
      expect(resumed.size).toBe(list.length)
    }),
  )
})

test('any leaf: its proof verifies, and at no other index, size, leaf or root', () => {
  fc.assert(
    fc.property(someLeaves, fc.nat(), fc.nat(), (list, pick, other) => {
      const index = pick % list.length
      const [leaf, root, proof] = [list[index] ?? Buffer.alloc(0), treeRoot(list), inclusionProof(list, index)]
      const tree = { leaf, index, size: list.length, root, proof }
      expect(verifyInclusion(tree)).toBe(true)
      const elsewhere = other % list.length
      if (elsewhere !== index) expect(verifyInclusion({ ...tree, index: elsewhere })).toBe(false)
      expect(verifyInclusion({ ...tree, leaf: leafHash(Buffer.from('another')) })).toBe(false)
      expect(verifyInclusion({ ...tree, root: leafHash(root) })).toBe(false)
      expect(verifyInclusion({ ...tree, proof: [...proof, root] })).toBe(false)
      expect(verifyInclusion({ ...tree, proof: proof.slice(0, -1) })).toBe(proof.length === 0)
    }),
  )
})

test('the frontier proves the leaf that comes next', () => {
  const frontier = new Frontier()
  for (const [index, leaf] of leaves.entries()) {
    const proof = frontier.nextInclusionProof()
    frontier.append(leaf)
    expect(proof.map(hex)).toEqual(inclusionProof(leaves.slice(0, index + 1), index).map(hex))
    expect(verifyInclusion({ leaf, index, size: index + 1, root: frontier.root(), proof })).toBe(true)
  }
})

test('any prefix: its proof verifies, and a changed history does not', () => {
  fc.assert(
    fc.property(someLeaves, fc.nat(), fc.nat(), (list, pick, edit) => {
      const firstSize = 1 + (pick % list.length)
      const sizes = { firstSize, secondSize: list.length, proof: consistencyProof(list, firstSize) }
      const [firstRoot, secondRoot] = [treeRoot(list.slice(0, firstSize)), treeRoot(list)]
      expect(verifyConsistency({ ...sizes, firstRoot, secondRoot })).toBe(true)
      const changed = list.with(edit % firstSize, leafHash(Buffer.from('edited')))
      const changedRoot = treeRoot(changed.slice(0, firstSize))
      expect(verifyConsistency({ ...sizes, firstRoot: changedRoot, secondRoot })).toBe(false)
      expect(verifyConsistency({ ...sizes, firstRoot, secondRoot: treeRoot(changed) })).toBe(false)
      expect(verifyConsistency({ ...sizes, firstRoot, secondRoot, proof: [...sizes.proof, firstRoot] })).toBe(false)
    }),
  )
})

test('hostile sizes, indices and hashes are refused, never thrown', () => {
  const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(-1, 0, 2 ** 53, Number.MAX_SAFE_INTEGER, NaN))
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 32, maxLength: 32 }))
  const proof = fc.array(bytes, { maxLength: 60 })
  fc.assert(
    fc.property(number, number, bytes, bytes, proof, (first, second, one, two, path) => {
      // A tree of one leaf is its own proof; everything else that passes would be a broken hash.
      const isOneLeaf = path.length === 0 && Buffer.compare(one, two) === 0
      expect(verifyInclusion({ leaf: one, index: first, size: second, root: two, proof: path }) && !isOneLeaf).toBe(
        false,
      )
      const isSame = first === second && isOneLeaf
      const trees = { firstSize: first, firstRoot: one, secondSize: second, secondRoot: two, proof: path }
      expect(verifyConsistency(trees) && !isSame).toBe(false)
    }),
  )
})

test('a very large tree verifies without 32-bit arithmetic', () => {
  // Leaf 2^40 is the last of a tree of 2^40 + 1: its only sibling is the perfect tree on its left.
  const [left, leaf] = [leafHash(Buffer.from('left')), leafHash(Buffer.from('leaf'))]
  const tree = { leaf, index: 2 ** 40, size: 2 ** 40 + 1, root: nodeHash(left, leaf), proof: [left] }
  expect(verifyInclusion(tree)).toBe(true)
  expect(verifyInclusion({ ...tree, index: 0 })).toBe(false)
  const peaks = Frontier.from(2 ** 40, [left])
  peaks.append(leaf)
  expect(hex(peaks.root())).toBe(hex(tree.root))
  const trees = { firstSize: 2 ** 40, firstRoot: left, secondSize: 2 ** 40 + 1, secondRoot: tree.root, proof: [leaf] }
  expect(verifyConsistency(trees)).toBe(true)
})
