// Rounds of A and B, one after the other, so that whatever else the machine does meets both; and what is made of the
// figures.

/** Runs each contender once a round, in turn, beginning with another one each round; gives every figure by name. */
export async function rounds<Name extends string>(
  count: number,
  contenders: Readonly<Record<Name, () => Promise<number>>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(contenders) as Name[]
  const figures = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, number[]>
  for (let round = 0; round < count; round++)
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + turn) % names.length] as Name
      figures[name].push(await contenders[name]())
    }
  return figures
}

/** The value below which `share` (0 to 1) of the figures lie. */
export function quantile(figures: readonly number[], share: number): number {
  const sorted = [...figures].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function median(figures: readonly number[]): number {
  return quantile(figures, 0.5)
}
