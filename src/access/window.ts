// The parts of the week in which a policy may be used, on the wall clock of the window's own zone: when clocks change, a
// window opens and closes by what they show. Pure; a clock that gives no usable time finds everything closed.

import type { TimeWindow } from './policy.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

/** A week and a day ahead every window has opened once, whatever its days. */
const DAYS_AHEAD = 8

/** The times that a Date can hold, less what `opensAt` looks beyond. */
const LATEST_MS = 8.64e15 - 20 * DAY_MS

const DAY_NAMES = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const

/** True when one of `windows` is open at `now` (ms), or there are none. */
export function isWithinWindows(windows: readonly TimeWindow[], now: number): boolean {
  return windows.length === 0 || windows.some((window) => isOpen(window, now))
}

/** When the first of `windows` opens after `now` (ms); null where that cannot be said. */
export function opensAt(windows: readonly TimeWindow[], now: number): number | null {
  if (!isUsable(now)) return null
  const openings = windows.flatMap((window) => {
    const candidates = openingsAround(window, now).filter((at) => at > now && isOpen(window, at))
    return candidates.length === 0 ? [] : [Math.min(...candidates)]
  })
  return openings.length === 0 ? null : Math.min(...openings)
}

/** `Mon-Fri 08:00-18:00 Europe/Berlin` */
export function describeWindow({ days, fromMinute, toMinute, zone }: TimeWindow): string {
  return `${describeDays(days)} ${clockText(fromMinute)}-${clockText(toMinute)} ${zone}`
}

/** `Mon 08:00 Europe/Berlin` */
export function describeInstant(at: number, zone: string): string {
  const { day, minute } = localTime(at, zone)
  return `${DAY_NAMES[day - 1] ?? ''} ${clockText(minute)} ${zone}`
}

/** True for an IANA name that this machine knows. */
export function isZone(name: string): boolean {
  // Offsets such as +01:00 are no zone: they would be wrong for half of the year.
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/.test(name)) return false
  try {
    formatter(name)
    return true
  } catch {
    return false
  }
}

function isOpen(window: TimeWindow, now: number): boolean {
  if (!isUsable(now)) return false
  const { days, fromMinute, toMinute } = window
  const { day, minute } = localTime(now, window.zone)
  if (toMinute > fromMinute) return days.includes(day) && minute >= fromMinute && minute < toMinute
  const dayBefore = day === 1 ? 7 : day - 1
  return (days.includes(day) && minute >= fromMinute) || (days.includes(dayBefore) && minute < toMinute)
}

function isUsable(now: number): boolean {
  return Math.abs(now) <= LATEST_MS
}

/**
 * Every instant in the coming days at which the window might open: where the clock shows its beginning, by the offset
 * before and after a change of clocks, and the changes themselves.
 */
function openingsAround({ fromMinute, zone }: TimeWindow, now: number): number[] {
  const { date } = localTime(now, zone)
  const instants: number[] = []
  for (let ahead = -1; ahead <= DAYS_AHEAD; ahead++) {
    const shown = date + ahead * DAY_MS + fromMinute * MINUTE_MS
    const before = offsetAt(shown - DAY_MS, zone)
    const after = offsetAt(shown + DAY_MS, zone)
    instants.push(shown - before)
    if (before !== after) instants.push(shown - after, changeBetween(shown - DAY_MS, shown + DAY_MS, zone))
  }
  return instants
}

/** The instant, to the minute, at which the zone's offset changes between two instants that have different ones. */
function changeBetween(from: number, to: number, zone: string): number {
  const before = offsetAt(from, zone)
  let low = Math.floor(from / MINUTE_MS)
  let high = Math.ceil(to / MINUTE_MS)
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offsetAt(middle * MINUTE_MS, zone) === before) low = middle
    else high = middle
  }
  return high * MINUTE_MS
}

function offsetAt(at: number, zone: string): number {
  const { date, minute } = localTime(at, zone)
  return date + minute * MINUTE_MS - Math.floor(at / MINUTE_MS) * MINUTE_MS
}

interface LocalTime {
  /** Midnight of the day shown, as if the zone were UTC (ms). */
  readonly date: number
  /** 1 Monday … 7 Sunday. */
  readonly day: number
  /** Minutes since that midnight. */
  readonly minute: number
}

function localTime(at: number, zone: string): LocalTime {
  const parts = new Map(
    formatter(zone)
      .formatToParts(at)
      .map(({ type, value }) => [type, Number(value)]),
  )
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? Number.NaN
  const date = Date.UTC(part('year'), part('month') - 1, part('day'))
  return { date, day: new Date(date).getUTCDay() || 7, minute: part('hour') * 60 + part('minute') }
}

/** By zone; making one costs a thousand times what using it does. As many as there are zones, at most. */
const formatters = new Map<string, Intl.DateTimeFormat>()

/** Throws RangeError for a zone that is not known. */
function formatter(zone: string): Intl.DateTimeFormat {
  const known = formatters.get(zone)
  if (known !== undefined) return known
  const made = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    calendar: 'iso8601',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  })
  formatters.set(zone, made)
  return made
}

function describeDays(days: readonly number[]): string {
  const sorted = [...days].sort((left, right) => left - right)
  const [first, last] = [sorted[0] ?? 1, sorted.at(-1) ?? 1]
  const isRun = sorted.length > 2 && last - first === sorted.length - 1
  const name = (day: number) => DAY_NAMES[day - 1] ?? ''
  return isRun ? `${name(first)}-${name(last)}` : sorted.map(name).join(',')
}

function clockText(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
}
