import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { STEP_MS, newTotpSecret, nextCodeInMs, totpCode, totpUri, verifyTotp } from '../../src/identity/totp.ts'

// RFC 6238 appendix B, SHA-1: the secret is the ASCII "12345678901234567890"; the last six of its eight digits.
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
const vectors = [
  { seconds: 59, code: '287082' },
  { seconds: 1111111109, code: '081804' },
  { seconds: 1111111111, code: '050471' },
  { seconds: 1234567890, code: '005924' },
  { seconds: 2000000000, code: '279037' },
  { seconds: 20000000000, code: '353130' },
]

for (const { seconds, code } of vectors) {
  test(`RFC 6238 at ${seconds} s gives ${code}`, () => {
    expect(totpCode(SECRET, seconds * 1000)).toBe(code)
    expect(verifyTotp({ secret: SECRET, code, now: seconds * 1000, lastStep: 0 })).toEqual({
      kind: 'ok',
      step: Math.floor(seconds / 30),
    })
  })
}

const now = 1_700_000_010_000
const step = Math.floor(now / STEP_MS)

test('the code one step before and one step after counts, two do not', () => {
  const kinds = [-2, -1, 0, 1, 2].map(
    (offset) => verifyTotp({ secret: SECRET, code: totpCode(SECRET, now + offset * STEP_MS), now, lastStep: 0 }).kind,
  )
  expect(kinds).toEqual(['wrong', 'ok', 'ok', 'ok', 'wrong'])
})

test('each step counts once, and the refusal says when the next code comes', () => {
  const code = totpCode(SECRET, now)
  const first = verifyTotp({ secret: SECRET, code, now, lastStep: 0 })
  expect(first).toEqual({ kind: 'ok', step })
  expect(verifyTotp({ secret: SECRET, code, now, lastStep: step })).toEqual({
    kind: 'replayed',
    nextInMs: (step + 1) * STEP_MS - now,
  })
})

test('a code of a step before the last one accepted is replayed, not fresh', () => {
  const earlier = totpCode(SECRET, now - STEP_MS)
  expect(verifyTotp({ secret: SECRET, code: earlier, now, lastStep: step }).kind).toBe('replayed')
})

test('a clock that went back behind the last accepted step refuses without failing', () => {
  const code = totpCode(SECRET, now)
  const result = verifyTotp({ secret: SECRET, code, now, lastStep: step + 1000 })
  expect(result).toEqual({ kind: 'replayed', nextInMs: nextCodeInMs(step + 1000, now) })
})

test('the code of another person is wrong', () => {
  const theirs = totpCode('MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43U', now)
  expect(verifyTotp({ secret: SECRET, code: theirs, now, lastStep: 0 })).toEqual({ kind: 'wrong' })
})

test('anything but six ASCII digits is wrong and never an error', () => {
  const odd = ['', ' ', '12345', '1234567', '12 456', '12345\n', '٣٤٥٦٧٨', '-12345', '1e5555', '１２３４５６']
  for (const code of odd) expect(verifyTotp({ secret: SECRET, code, now, lastStep: 0 })).toEqual({ kind: 'wrong' })
  fc.assert(
    fc.property(fc.string(), (code) => {
      fc.pre(!/^[0-9]{6}$/.test(code))
      expect(verifyTotp({ secret: SECRET, code, now, lastStep: 0 })).toEqual({ kind: 'wrong' })
    }),
  )
})

test('an accepted step is always later than the last one and within one of now', () => {
  fc.assert(
    fc.property(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -3, max: 3 }), (typed, last) => {
      const result = verifyTotp({
        secret: SECRET,
        code: totpCode(SECRET, now + typed * STEP_MS),
        now,
        lastStep: step + last,
      })
      if (result.kind !== 'ok') return
      expect(result.step).toBeGreaterThan(step + last)
      expect(Math.abs(result.step - step)).toBeLessThanOrEqual(1)
    }),
  )
})

test('a secret that cannot be used is our error, and the message does not hold it', () => {
  for (const secret of ['', 'MFRGG', 'not base32!!']) {
    expect(() => verifyTotp({ secret, code: '123456', now, lastStep: 0 })).toThrow(
      expect.objectContaining({ code: 'internal' }),
    )
  }
})

test('a new secret has 160 bits, differs from the last, and works', () => {
  const secret = newTotpSecret()
  expect(secret).toMatch(/^[A-Z2-7]{32}$/)
  expect(newTotpSecret()).not.toBe(secret)
  expect(verifyTotp({ secret, code: totpCode(secret, now), now, lastStep: 0 }).kind).toBe('ok')
  const uri = new URL(totpUri(secret, 'alice', 'Halligan'))
  expect(uri.protocol).toBe('otpauth:')
  expect(uri.searchParams.get('secret')).toBe(secret)
  expect(uri.searchParams.get('issuer')).toBe('Halligan')
})
