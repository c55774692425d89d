// How far the ledger is kept outside, in a line below what `verify --all` proved: what to compare with the place itself.

import type { AnchoredLeaf } from '../store/anchor-reader.ts'

/** One or two lines; `anchored` newest first, `now` in ms. */
export function anchoredText(anchored: readonly AnchoredLeaf[], now: number): string {
  const outside = anchored.find((leaf) => leaf.outside)
  const newest = outside ?? anchored[0]
  if (newest === undefined) return 'anchored: nothing; no place has taken a checkpoint\n'
  const where = newest.outside ? newest.anchor : `${newest.anchor}, which is on this machine and proves nothing`
  return (
    `anchored: ${newest.size} leaves, ${ageText(now - newest.at)} ago, at ${where}\n` +
    (newest.outside
      ? `  what was cut off since cannot be told from a crash; compare: --checkpoint FILE from ${newest.anchor}\n`
      : '')
  )
}

/** `12 s`, `3 min`, `5 h`, `2 d`. */
export function ageText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}
