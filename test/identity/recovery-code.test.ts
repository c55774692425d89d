import * as fc from 'fast-check'
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import {
  RECOVERY_CODES,
  hashRecoveryCode,
  looksLikeRecoveryCode,
  newRecoveryCodes,
  verifyRecoveryCode,
} from '../../src/identity/recovery-code.ts'

test('codes are ten, different, and carry 80 bits in four groups', () => {
  const codes = newRecoveryCodes(randomBytes)
  expect(new Set(codes).size).toBe(RECOVERY_CODES)
  for (const code of codes) expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}$/)
})

test('a code opens its own hash and no other, however it is typed', () => {
  const codes = newRecoveryCodes(randomBytes, 3)
  const hashes = codes.map((code) => hashRecoveryCode('alice', code))
  for (const [index, code] of codes.entries()) {
    for (const typed of [code, code.toLowerCase(), code.replaceAll('-', ''), ` ${code.replaceAll('-', ' ')} `]) {
      expect(looksLikeRecoveryCode(typed)).toBe(true)
      expect(verifyRecoveryCode('alice', typed, hashes)).toBe(hashes[index])
    }
  }
})

test('misread letters are read as what they look like', () => {
  const hash = hashRecoveryCode('alice', '0011-0011-0011-0011')
  expect(verifyRecoveryCode('alice', 'OoIl-0oLi-00ll-OO11', [hash])).toBe(hash)
})

test('the code of one person does not open for another', () => {
  const [code = ''] = newRecoveryCodes(randomBytes, 1)
  expect(verifyRecoveryCode('bob', code, [hashRecoveryCode('alice', code)])).toBeUndefined()
})

test('no other text opens anything, not even the hash of nothing', () => {
  const hashes = [hashRecoveryCode('alice', ''), hashRecoveryCode('alice', '0'.repeat(16)), 'not hex', '']
  fc.assert(
    fc.property(fc.string({ maxLength: 100 }), (text) => {
      fc.pre(!/^[0Oo\s-]*$/.test(text))
      expect(verifyRecoveryCode('alice', text, hashes)).toBeUndefined()
    }),
  )
  expect(verifyRecoveryCode('alice', '', hashes)).toBeUndefined()
})
