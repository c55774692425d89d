// How numbers, times and foreign text are written.

const MINUTE = 60
const HOUR = 3_600

/** `1:04`, `12:09`, `1:00:03`: a span as a clock shows it. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const two = (n: number) => String(n).padStart(2, '0')
  const tail = `${two(Math.floor((whole % HOUR) / MINUTE))}:${two(whole % MINUTE)}`
  return whole >= HOUR ? `${Math.floor(whole / HOUR)}:${tail}` : tail.replace(/^0/, '')
}

/** `0:12.345`: an offset within a session. */
export function offset(seconds: number): string {
  const ms = Math.floor((Math.max(0, seconds) % 1) * 1000)
  return `${clock(seconds)}.${String(ms).padStart(3, '0')}`
}

/** `320 ms`, `4.2 s`, `3 min`, `2 h 5 min`: how long something took. */
export function duration(ms: number): string {
  if (ms < 1) return '< 1 ms'
  if (ms < 1_000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < MINUTE) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ${Math.floor(seconds % MINUTE)} s`
  return `${Math.floor(seconds / HOUR)} h ${Math.floor((seconds % HOUR) / MINUTE)} min`
}

const time = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const dayAndTime = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
})

/** Local time, with the day unless it is `now`'s. */
export function when(at: number, now: number): string {
  const isToday = new Date(at).toDateString() === new Date(now).toDateString()
  return isToday ? time.format(at) : dayAndTime.format(at)
}

/** The same instant in UTC, for titles and for court. */
export function utc(at: number): string {
  return `${new Date(at).toISOString().replace('T', ' ').slice(0, 19)} UTC`
}

const counted = new Intl.NumberFormat('en-GB')

export function number(value: number): string {
  return counted.format(value)
}

/** `12 kB`, `3.4 MB`. */
export function size(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1000 ** power
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`
}

// Controls, and the marks that reorder or hide text: a hostile session must not make a reviewer read what is not there.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\u2028\u2029]/gu

/** Foreign text with everything invisible written out, such as `\u{202e}`; line feeds and tabs stay. */
export function visible(text: string): string {
  return text.replaceAll(HIDDEN, (char) =>
    char === '\n' || char === '\t' ? char : `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
  )
}
