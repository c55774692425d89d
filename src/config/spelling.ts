// "Did you mean": the known word that a mistyped one is nearest to.

/** Two slips of the finger; beyond that a guess confuses more than it helps. */
const MAX_DISTANCE = 2

/** Longer words are not compared: nothing we know is that long. */
const MAX_LENGTH = 40

/** The nearest of `words` within two edits that leave at least half the word standing; undefined when none is. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  if (word.length > MAX_LENGTH) return undefined
  const ranked = words
    .map((candidate) => ({ candidate, distance: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= MAX_DISTANCE && distance * 2 <= word.length)
    .sort((left, right) => left.distance - right.distance)
  return ranked[0]?.candidate
}

/** Levenshtein's distance, one row at a time. */
function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let i = 1; i <= left.length; i++) {
    const next = [i]
    for (let j = 1; j <= right.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1)
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[right.length] ?? 0
}
