import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { openCheckpoint, signCheckpoint } from '../../src/ledger/checkpoint.ts'
import { leafHash } from '../../src/ledger/merkle.ts'
import { parseNote, signNote, trustNote } from '../../src/ledger/note.ts'
import {
  encodeInstallationKey,
  encodeVerifierKey,
  installationKey,
  noteSigner,
  parseInstallationKey,
  parseVerifierKey,
  verifierKey,
} from '../../src/ledger/note-key.ts'
import { codeOf } from './code.ts'

// c2sp.org/signed-note, "Example".
const exampleKey = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'
const exampleNote =
  'This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n'

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('expected a value')
  return value
}

test("C2SP's example note verifies with C2SP's example key", () => {
  const key = present(parseVerifierKey(exampleKey))
  expect(encodeVerifierKey(key)).toBe(exampleKey)
  expect(trustNote(present(parseNote(exampleNote)), [key])).toBe('signed')
})

test("C2SP's example note with one letter changed does not", () => {
  const key = present(parseVerifierKey(exampleKey))
  expect(trustNote(present(parseNote(exampleNote.replace('message', 'massage'))), [key])).toBe('bad-signature')
})

const seed = Buffer.alloc(32, 7)
const signer = noteSigner('halligan/test', seed)
const head = { size: 42, root: leafHash(Buffer.from('root')) }

test('a signed checkpoint opens with its key and says what was signed', () => {
  const opened = openCheckpoint(signCheckpoint(head, signer), signer)
  expect(opened).toEqual({ kind: 'signed', checkpoint: { origin: 'halligan/test', size: 42, root: head.root } })
})

test("a witness's further signature is passed over", () => {
  const text = signCheckpoint(head, signer)
  const witness = noteSigner('witness.example', Buffer.alloc(32, 9))
  const both = text + present(signNote(present(parseNote(text)).text, witness).split('\n\n')[1])
  expect(openCheckpoint(both, signer).kind).toBe('signed')
})

test('a checkpoint by another key, another name or another origin is not believed', () => {
  const text = signCheckpoint(head, signer)
  const otherKey = noteSigner('halligan/test', Buffer.alloc(32, 8))
  const otherName = noteSigner('halligan/other', seed)
  expect(openCheckpoint(text, otherKey).kind).toBe('unknown-key')
  expect(openCheckpoint(text, otherName).kind).toBe('unknown-key')
  const foreignOrigin = signNote(present(parseNote(signCheckpoint(head, otherName))).text, signer)
  expect(openCheckpoint(foreignOrigin, signer).kind).toBe('unknown-key')
})

test('no byte of a checkpoint can change unnoticed', () => {
  const text = signCheckpoint(head, signer)
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at++)
    for (const mask of [1, 0x20, 0x80]) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ mask
      expect(openCheckpoint(changed.toString('utf8'), signer).kind, `byte ${at}`).not.toBe('signed')
    }
})

const malformed = [
  '',
  '\n',
  'a\n1\n',
  `halligan/test\n01\n${head.root.toString('base64')}\n`,
  `halligan/test\n-1\n${head.root.toString('base64')}\n`,
  `halligan/test\n9007199254740993\n${head.root.toString('base64')}\n`,
  `halligan/test\n1\n${head.root.toString('base64').slice(0, -1)}\n`,
  `halligan/test\n1\n${head.root.toString('base64')}\n\n\n`,
  `\n1\n${head.root.toString('base64')}\n`,
]
for (const text of malformed)
  test(`a signature does not make a checkpoint of ${JSON.stringify(text)}`, () => {
    expect(openCheckpoint(signNote(text, signer), signer).kind).toBe('malformed')
  })

test('any text opens as something, and only what the key signed as signed', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => `${text}\n\n— halligan/test AAAA\n`),
      ),
      (text) => {
        expect(openCheckpoint(text, signer).kind).not.toBe('signed')
      },
    ),
  )
})

test('a note with more signatures than anyone needs is refused', () => {
  const text = signCheckpoint(head, signer)
  expect(parseNote(text + present(text.split('\n\n')[1]).repeat(63))).toBeDefined()
  expect(parseNote(text + present(text.split('\n\n')[1]).repeat(64))).toBeUndefined()
})

test('the key of an installation survives its text form', () => {
  const key = installationKey('demo', noteSigner('x', seed).publicKey, signer.publicKey)
  expect(key.log.name).toBe('halligan/demo')
  expect(key.genesis.name).toBe('halligan/demo/epoch')
  expect(parseInstallationKey(encodeInstallationKey(key))).toEqual(key)
  expect(parseInstallationKey(encodeInstallationKey(key).replace('\n', ' '))).toEqual(key)
})

test('half a key, a key with a wrong id and two keys of different installations are refused', () => {
  const key = installationKey('demo', signer.publicKey, signer.publicKey)
  const [log = '', genesis = ''] = encodeInstallationKey(key).split('\n')
  const other = encodeVerifierKey(verifierKey('halligan/other/epoch', signer.publicKey))
  const wrongId = log.replace(/\+[0-9a-f]{8}\+/, '+00000000+')
  for (const text of ['', log, `${wrongId}\n${genesis}`, `${log}\n${other}`, `${genesis}\n${log}`, 'x'.repeat(10_000)])
    expect(codeOf(() => parseInstallationKey(text))).toBe('usage')
})

test('no key is made under a name that would break its line', () => {
  for (const name of ['', 'a b', 'a+b', 'a\nb', 'a\u2028b', 'a\u0085b'])
    expect(codeOf(() => verifierKey(name, signer.publicKey))).toBe('usage')
})
