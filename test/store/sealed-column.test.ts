import { test as property } from '@fast-check/vitest'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { SealedColumns } from '../../src/store/sealed-column.ts'

const cells = new SealedColumns(Buffer.alloc(32, 1))
const cell = fc.record({ table: fc.string(), row: fc.string(), column: fc.string() })
const bytes = fc.uint8Array({ maxLength: 200 })

property.prop([cell, bytes])('a sealed cell opens to what went in, and never looks the same twice', (at, plain) => {
  const sealed = cells.seal(at, plain)
  expect(cells.open(at, sealed).equals(plain)).toBe(true)
  expect(cells.seal(at, plain).equals(sealed)).toBe(false)
})

property.prop([cell, cell, bytes])('a cell opens in its own place only', (at, elsewhere, plain) => {
  fc.pre(JSON.stringify(at) !== JSON.stringify(elsewhere))
  expect(() => cells.open(elsewhere, cells.seal(at, plain))).toThrow(expect.objectContaining({ code: 'store_failed' }))
})

property.prop([cell, bytes, fc.nat(), fc.integer({ min: 1, max: 255 })])(
  'no byte of a cell can change',
  (at, plain, position, flip) => {
    const sealed = cells.seal(at, plain)
    const index = position % sealed.length
    sealed[index] = (sealed[index] ?? 0) ^ flip
    expect(() => cells.open(at, sealed)).toThrow(expect.objectContaining({ code: 'store_failed' }))
  },
)

property.prop([cell, bytes])('any bytes open or are refused, nothing else', (at, sealed) => {
  expect(() => cells.open(at, sealed)).toThrow(expect.objectContaining({ code: 'store_failed' }))
})

test('another key neither opens a cell nor has the same check value', () => {
  const other = new SealedColumns(Buffer.alloc(32, 2))
  const at = { table: 'totp', row: 'alice', column: 'secret' }
  expect(() => other.open(at, cells.seal(at, Buffer.from('x')))).toThrow(
    expect.objectContaining({ code: 'store_failed' }),
  )
  expect(other.keyCheck.equals(cells.keyCheck)).toBe(false)
  expect(new SealedColumns(Buffer.alloc(32, 1)).keyCheck.equals(cells.keyCheck)).toBe(true)
})

test('a key of another length is our own mistake', () => {
  expect(() => new SealedColumns(Buffer.alloc(16))).toThrow()
})
