// Durations as people write them: `45s`, `30m`, `8h`, `7d`, and sums such as `1h30m`.

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds, or undefined when the text is no duration of at most ten thousand days. */
export function parseDurationMs(text: string): number | undefined {
  if (!/^(\d{1,7}[smhd])+$/.test(text)) return undefined
  let total = 0
  for (const [, count = '', unit = ''] of text.matchAll(/(\d+)([smhd])/g)) total += Number(count) * (UNIT_MS[unit] ?? 0)
  return total <= 10_000 * 86_400_000 ? total : undefined
}

/** The shortest way to write it: `30m`, `1h30m`, `45s`. */
export function formatDuration(ms: number): string {
  let rest = Math.round(ms / 1000)
  let text = ''
  for (const [unit, seconds] of [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(rest / seconds)
    if (count > 0) text += `${count}${unit}`
    rest -= count * seconds
  }
  return text === '' ? '0s' : text
}
