import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { clock, duration, offset, size, visible } from '../../web/src/format.ts'
import { layOut } from '../../web/src/playback.ts'
import { LineReader, termOf } from '../../web/src/recorded.ts'

const at = (...times: number[]) => times.map((time) => ({ at: time, code: 'o' as const, data: String(time) }))

test('without a limit the record plays as it was', () => {
  const playback = layOut(at(1, 61, 62), 70, undefined)
  expect(playback.events.map(([ms]) => ms)).toEqual([1_000, 61_000, 62_000, 70_000])
  expect(playback.duration).toBe(70)
  expect(playback.toPlayed(61)).toBe(61)
  expect(playback.toRecorded(61)).toBe(61)
})

test('pauses are cut to the limit, and both clocks meet at every event', () => {
  const playback = layOut(at(1, 61, 62), 70, 2)
  expect(playback.events.map(([ms]) => ms)).toEqual([1_000, 3_000, 4_000, 6_000])
  expect(playback.toPlayed(61)).toBe(3)
  expect(playback.toRecorded(3)).toBe(61)
  expect(playback.toPlayed(30)).toBe(3)
  expect(playback.toRecorded(2)).toBe(2)
})

test('an empty recording plays, and ends', () => {
  expect(layOut([], 0, 2).events).toEqual([[0, 'o', '']])
})

test('the clocks never run backwards and meet where something happened', () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 50 })
  fc.assert(
    fc.property(gaps, fc.integer({ min: 1, max: 10 }), (gapsMs, limit) => {
      let sum = 0
      const times = gapsMs.map((gap) => (sum += gap) / 1000)
      const playback = layOut(at(...times), sum / 1000, limit)
      const played = playback.events.map(([ms]) => ms / 1000)
      for (const [index, time] of times.entries()) {
        expect(playback.toPlayed(time)).toBeCloseTo(played[index] ?? -1, 6)
        expect((played[index] ?? 0) - (played[index - 1] ?? 0)).toBeLessThanOrEqual(limit + 1e-6)
        expect(playback.toRecorded(played[index] ?? 0)).toBeLessThanOrEqual(time + 1e-6)
      }
      expect(played).toEqual(played.toSorted((a, b) => a - b))
    }),
  )
})

test('a hostile header makes no terminal that cannot be drawn', () => {
  for (const term of [
    null,
    {},
    { cols: 0, rows: 24 },
    { cols: 4_294_967_295, rows: 4_294_967_295 },
    { cols: 80.5, rows: 24 },
    { cols: '80', rows: 24 },
  ])
    expect(termOf({ version: 3, term })).toBeUndefined()
  expect(termOf({ term: { cols: 120, rows: 40 } })).toEqual({ cols: 120, rows: 40 })
})

test('times add up without drift', () => {
  const reader = new LineReader()
  expect(reader.read('{"version":3,"term":{"cols":100,"rows":30}}')).toBeUndefined()
  expect(reader.term).toEqual({ cols: 100, rows: 30 })
  for (let n = 0; n < 1_000; n++) reader.read('[0.1,"o",""]')
  expect(reader.read('[0,"o","x"]')).toEqual({ seq: 1_001, at: 100, code: 'o', data: 'x' })
})

test('spans, sizes and foreign text are written as people read them', () => {
  expect([clock(0), clock(64), clock(754), clock(3_603)]).toEqual(['0:00', '1:04', '12:34', '1:00:03'])
  expect(offset(62.0279)).toBe('1:02.027')
  expect([
    duration(0.2),
    duration(4.25),
    duration(842),
    duration(4_200),
    duration(184_000),
    duration(7_500_000),
  ]).toEqual(['< 1 ms', '4.3 ms', '842 ms', '4.2 s', '3 min 4 s', '2 h 5 min'])
  expect([size(0), size(999), size(12_345), size(3_400_000)]).toEqual(['0 bytes', '999 bytes', '12.3 kB', '3.4 MB'])
  expect(visible('admin\u202eelif.exe\u0007\tok\n\ufeff')).toBe('admin\\u{202e}elif.exe\\u{7}\tok\n\\u{feff}')
})
