import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { TimeWindow } from '../../src/access/policy.ts'
import { describeInstant, describeWindow, isWithinWindows, isZone, opensAt } from '../../src/access/window.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

function window(days: readonly number[], from: string, to: string, zone = 'Europe/Berlin'): TimeWindow {
  const minutes = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3))
  return { days, fromMinute: minutes(from), toMinute: minutes(to), zone }
}

const office = window([1, 2, 3, 4, 5], '08:00', '18:00')
const night = window([5], '22:00', '06:00')
const always = window([1, 2, 3, 4, 5, 6, 7], '00:00', '24:00')

// 2026-03-29 and 2026-10-25 are the nights on which Berlin changes its clocks: 02:00 to 03:00, and 03:00 to 02:00.
const cases: readonly { name: string; window: TimeWindow; at: string; want: boolean }[] = [
  { name: 'a Monday morning, summer time', window: office, at: '2026-06-01T06:00:00Z', want: true },
  { name: 'one millisecond before', window: office, at: '2026-06-01T05:59:59.999Z', want: false },
  { name: 'the last millisecond', window: office, at: '2026-06-01T15:59:59.999Z', want: true },
  { name: 'the end is outside', window: office, at: '2026-06-01T16:00:00Z', want: false },
  { name: 'the same UTC hour in winter', window: office, at: '2026-01-05T06:30:00Z', want: false },
  { name: 'a Saturday', window: office, at: '2026-06-06T10:00:00Z', want: false },
  { name: 'Friday night', window: night, at: '2026-06-05T21:00:00Z', want: true },
  { name: 'the morning after', window: night, at: '2026-06-06T03:59:00Z', want: true },
  { name: 'not the morning before', window: night, at: '2026-06-05T03:00:00Z', want: false },
  { name: 'over midnight is over', window: night, at: '2026-06-06T04:00:00Z', want: false },
  {
    name: 'Sunday night into Monday',
    window: window([7], '23:00', '01:00', 'UTC'),
    at: '2026-06-08T00:30:00Z',
    want: true,
  },
  { name: 'a whole day, its first minute', window: always, at: '2026-06-05T22:00:00Z', want: true },
  {
    name: 'an hour that the clock skips: before',
    window: window([7], '02:30', '04:00'),
    at: '2026-03-29T00:59:00Z',
    want: false,
  },
  {
    name: 'an hour that the clock skips: after',
    window: window([7], '02:30', '04:00'),
    at: '2026-03-29T01:00:00Z',
    want: true,
  },
  {
    name: 'an hour that comes twice: first',
    window: window([7], '02:30', '02:45'),
    at: '2026-10-25T00:30:00Z',
    want: true,
  },
  {
    name: 'an hour that comes twice: second',
    window: window([7], '02:30', '02:45'),
    at: '2026-10-25T01:30:00Z',
    want: true,
  },
  {
    name: 'half-hour zones',
    window: window([1], '08:00', '09:00', 'Asia/Kolkata'),
    at: '2026-06-01T02:30:00Z',
    want: true,
  },
]
for (const { name, window, at, want } of cases)
  test(`${name}: ${want ? 'open' : 'closed'}`, () => {
    expect(isWithinWindows([window], Date.parse(at))).toBe(want)
  })

test('a clock that gives no usable time finds every window closed and none to open', () => {
  for (const now of [Number.NaN, Infinity, -Infinity, 8.64e15, -8.64e15, Number.MAX_VALUE]) {
    expect(isWithinWindows([always], now)).toBe(false)
    expect(opensAt([always], now)).toBeNull()
  }
})

test('without windows it is always open', () => {
  expect(isWithinWindows([], Number.NaN)).toBe(true)
  expect(opensAt([], 0)).toBeNull()
})

test('the next opening is told in the window’s own zone', () => {
  const saturday = Date.parse('2026-06-06T10:00:00Z')
  const at = opensAt([office, window([7], '20:00', '21:00', 'America/New_York')], saturday)
  expect(at).toBe(Date.parse('2026-06-08T00:00:00Z'))
  expect(describeInstant(at ?? 0, 'America/New_York')).toBe('Sun 20:00 America/New_York')
  expect(describeWindow(office)).toBe('Mon-Fri 08:00-18:00 Europe/Berlin')
  expect(describeWindow(window([6, 1], '22:00', '24:00', 'UTC'))).toBe('Mon,Sat 22:00-24:00 UTC')
})

test('a window inside the hour that a clock skips opens when the clock has skipped it', () => {
  const before = Date.parse('2026-03-28T12:00:00Z')
  expect(opensAt([window([7], '02:30', '04:00')], before)).toBe(Date.parse('2026-03-29T01:00:00Z'))
  // Wholly inside it: not on that night at all, but a week later.
  expect(opensAt([window([7], '02:15', '02:45')], before)).toBe(Date.parse('2026-04-05T00:15:00Z'))
})

test('a window that a clock set back enters again is told to open again', () => {
  const between = Date.parse('2026-10-25T00:50:00Z')
  expect(opensAt([window([7], '01:00', '02:45')], between)).toBe(Date.parse('2026-10-25T01:00:00Z'))
})

const anyWindow = fc.record({
  days: fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
  fromMinute: fc.nat(1439),
  toMinute: fc.integer({ min: 0, max: 1440 }),
  zone: fc.constantFrom(
    'Europe/Berlin',
    'America/New_York',
    'Australia/Lord_Howe',
    'Asia/Kathmandu',
    'Africa/Casablanca',
    'Pacific/Apia',
    'America/Santiago',
    'UTC',
  ),
})
// Around the changes of clocks of these zones, and a day that Apia left out.
const anyInstant = fc
  .tuple(
    fc.constantFrom('2026-03-28', '2026-10-24', '2026-04-04', '2026-09-05', '2026-02-14', '2011-12-29', '2026-03-07'),
    fc.integer({ min: 0, max: 3 * 24 * 60 }),
  )
  .map(([day, minutes]) => Date.parse(`${day}T00:00:00Z`) + minutes * MINUTE)

test('the next opening is the first minute at which it is open again', () => {
  fc.assert(
    fc.property(anyWindow, anyInstant, (one, now) => {
      // The week of instants after now, looked at one by one, as nobody in a hurry would.
      const told = opensAt([one], now)
      let wasOpen = isWithinWindows([one], now)
      let found: number | null = null
      for (let at = now + MINUTE; at <= now + 8 * 24 * HOUR && found === null; at += MINUTE) {
        const isOpenNow = isWithinWindows([one], at)
        if (isOpenNow && !wasOpen) found = at
        wasOpen = isOpenNow
      }
      if (isWithinWindows([one], now)) return
      expect(told).toBe(found)
    }),
    { numRuns: 40 },
  )
}, 60_000)

test('zones are IANA names', () => {
  for (const zone of ['Europe/Berlin', 'UTC', 'America/Argentina/Buenos_Aires', 'Etc/GMT+3'])
    expect(isZone(zone)).toBe(true)
  for (const zone of ['', 'Europe/Berln', '+01:00', 'local', '../etc', 'Europe/Berlin\n', 'x'.repeat(10_000)])
    expect(isZone(zone)).toBe(false)
})
