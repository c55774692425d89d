import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { privateKeyFromSeed, rawPublicKey } from '../../src/ledger/ed25519.ts'
import {
  encodeEpoch,
  EpochChain,
  type EpochClaim,
  type EpochRecord,
  parseEpoch,
  signEpoch,
} from '../../src/ledger/epoch.ts'
import { leafHash } from '../../src/ledger/merkle.ts'

const keys = Array.from({ length: 5 }, (_, epoch) => privateKeyFromSeed(Buffer.alloc(32, epoch + 1)))
const publicKeys = keys.map(rawPublicKey)
const [genesis = Buffer.alloc(0)] = publicKeys
const head = (text: string) => leafHash(Buffer.from(text))

function claim(epoch: number, change: Partial<EpochClaim> = {}): EpochClaim {
  const nextPublicKey = publicKeys[epoch + 1] ?? Buffer.alloc(32)
  const at = { epoch, journalSeq: 10 * epoch, journalHead: head(`journal ${epoch}`), ledgerSize: 3 * epoch }
  return { ...at, ledgerRoot: head(`ledger ${epoch}`), nextPublicKey, ...change }
}

function record(epoch: number, change: Partial<EpochClaim> = {}, signedBy = epoch): EpochRecord {
  return signEpoch(claim(epoch, change), keys[signedBy] ?? privateKeyFromSeed(Buffer.alloc(32)))
}

test('a chain of records is followed from the genesis key', () => {
  const chain = new EpochChain(genesis)
  expect([0, 1, 2, 3].map((epoch) => chain.accept(record(epoch)))).toEqual([undefined, undefined, undefined, undefined])
  expect(chain.last?.epoch).toBe(3)
  expect(chain.publicKey).toEqual(publicKeys[4])
})

const second = [
  { name: 'signed with the newest stolen key', next: record(1, {}, 3), fault: 'bad_signature' },
  { name: 'an epoch left out', next: record(2), fault: 'epoch_skipped' },
  { name: 'an epoch twice', next: record(0), fault: 'epoch_skipped' },
  { name: 'a journal that shrank', next: record(1, { journalSeq: 0 }), fault: 'journal_shrank' },
  { name: 'a ledger that shrank', next: record(2, { ledgerSize: 1 }), before: record(1), fault: 'ledger_shrank' },
  { name: 'another ledger of the same size', next: record(1, { ledgerSize: 0 }), fault: 'ledger_forked' },
] as const
for (const { name, next, fault, ...rest } of second)
  test(`refused: ${name}`, () => {
    const chain = new EpochChain(genesis)
    chain.accept(record(0))
    if ('before' in rest) chain.accept(rest.before)
    const last = chain.last
    expect(chain.accept(next)).toBe(fault)
    expect(chain.last).toBe(last)
  })

test('no field of a record can change without its signature failing', () => {
  const good = record(0)
  const changes: Partial<EpochClaim>[] = [
    { journalSeq: 1 },
    { journalHead: head('other') },
    { ledgerSize: 1 },
    { ledgerRoot: head('other') },
    { nextPublicKey: publicKeys[2] ?? Buffer.alloc(32) },
  ]
  for (const change of changes) expect(new EpochChain(genesis).accept({ ...good, ...change })).toBe('bad_signature')
})

test('a record survives its line, and no changed byte of the line passes', () => {
  const line = encodeEpoch(record(0, { journalSeq: 123_456, ledgerSize: 99 }))
  const parsed = parseEpoch(line)
  expect(parsed).toEqual(record(0, { journalSeq: 123_456, ledgerSize: 99 }))
  for (let at = 0; at < line.length; at++)
    for (const mask of [1, 0x20, 0x80]) {
      const changed = Buffer.from(line)
      changed[at] = (changed[at] ?? 0) ^ mask
      const other = parseEpoch(changed)
      expect(other === undefined || new EpochChain(genesis).accept(other) !== undefined, `byte ${at}`).toBe(true)
    }
})

test('a number with leading zeros or beyond 2^53 is not a record', () => {
  const line = encodeEpoch(record(0)).toString()
  for (const number of ['00', '01', '9999999999999999'])
    expect(parseEpoch(Buffer.from(line.replace('"epoch":0', `"epoch":${number}`)))).toBeUndefined()
})

test('any bytes are a record or nothing, and any key verifies or does not', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1100 }), fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes, key) => {
      expect(parseEpoch(bytes)).toBeUndefined()
      expect(new EpochChain(key).accept(record(0))).toBe('bad_signature')
    }),
  )
})
