import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { leafHash } from '../../src/ledger/merkle.ts'
import { encodeTlogProof, parseTlogProof } from '../../src/ledger/tlog-proof.ts'

const node = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes))

test('any proof survives its text', () => {
  fc.assert(
    fc.property(
      fc.option(
        fc.uint8Array({ minLength: 1 }).map((bytes) => Buffer.from(bytes)),
        { nil: undefined },
      ),
      fc.maxSafeNat(),
      fc.array(node, { maxLength: 54 }),
      fc.string(),
      (extra, index, path, checkpoint) => {
        const proof = { extra, index, path, checkpoint }
        expect(parseTlogProof(encodeTlogProof(proof))).toEqual(proof)
      },
    ),
  )
})

test('the text has the lines of the specification', () => {
  const path = [leafHash(Buffer.from('a'))]
  expect(encodeTlogProof({ extra: Buffer.from('hi'), index: 7, path, checkpoint: 'the checkpoint\n' })).toBe(
    `c2sp.org/tlog-proof@v1\nextra aGk=\nindex 7\n${path[0]?.toString('base64')}\n\nthe checkpoint\n`,
  )
})

const good = encodeTlogProof({ extra: undefined, index: 7, path: [leafHash(Buffer.from('a'))], checkpoint: 'c\n' })
const malformed = [
  '',
  'c2sp.org/tlog-proof@v2\nindex 0\n\nc\n',
  good.replace('index 7', 'index 07'),
  good.replace('index 7', 'index -7'),
  good.replace('index 7', 'index 9999999999999999'),
  good.replace('index 7', 'extra !\nindex 7'),
  good.replace('\n\n', '\nAAAA\n\n'),
  good.replace('\n\n', '\n'),
  encodeTlogProof({
    extra: undefined,
    index: 7,
    path: Array.from({ length: 55 }, () => leafHash(Buffer.of())),
    checkpoint: '',
  }),
]
for (const [at, text] of malformed.entries())
  test(`malformed proof ${at} is refused`, () => {
    expect(parseTlogProof(text)).toBeUndefined()
  })
