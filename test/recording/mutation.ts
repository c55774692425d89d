// What somebody with the whole disk, and without any key, can do to an installation: one change each, drawn at random.
import type { Chance } from './chance.ts'
import type { Evidence, Random, Recorded } from './evidence.ts'

export interface Mutation {
  readonly name: string
  /** Whether a recording and its proof alone give it away, or only the whole installation. */
  readonly scope: 'file' | 'all'
  /**
   * `found`: always a finding. `tail`: a finding, unless it touches only what lies behind the last line of the sealed
   * sessions. `doubted`: never in order, and told of, if only as not proven. `nothing`: it takes no evidence away, and the
   * verdict stays as it was.
   */
  readonly expected: 'found' | 'tail' | 'doubted' | 'nothing'
  /** Changes `changed`, a copy of what `from` left behind; false when there is nothing there that it could change. */
  readonly apply: (changed: Evidence, from: Random, chance: Chance) => Promise<boolean> | boolean
}

export type Sealed = Recorded & { readonly file: string }

/** The sessions whose recordings lie there. */
export function sealedOf({ sessions }: Random): Sealed[] {
  return sessions.filter((session): session is Sealed => session.file !== undefined)
}

/** Two different ones, or undefined where there is one alone. */
export function pickTwo<T>(items: readonly T[], chance: Chance): readonly [T, T] | undefined {
  if (items.length < 2) return undefined
  const one = chance.pick(items)
  return [one, chance.pick(items.filter((item) => item !== one))]
}

/** Ways to spoil any bytes; each gives other bytes than it got. */
export const spoilings: readonly {
  readonly name: string
  readonly spoil: (bytes: Buffer, chance: Chance) => Buffer
}[] = [
  { name: 'truncated', spoil: (bytes, chance) => bytes.subarray(0, chance.below(bytes.length)) },
  {
    name: 'a byte flipped',
    spoil: (bytes, chance) => {
      const [at, flip] = [chance.below(bytes.length), 1 + chance.below(255)]
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ flip
      return changed
    },
  },
  {
    name: 'bytes cut out',
    spoil: (bytes, chance) => {
      const from = chance.below(bytes.length)
      return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + 1 + chance.below(64))])
    },
  },
  {
    name: 'bytes put in',
    spoil: (bytes, chance) => {
      const at = chance.below(bytes.length + 1)
      const more = Buffer.from(Array.from({ length: 1 + chance.below(32) }, () => chance.below(256)))
      return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)])
    },
  },
  {
    name: 'its end overwritten with zeros',
    spoil: (bytes, chance) => {
      const changed = Buffer.from(bytes)
      changed.fill(0, chance.below(bytes.length))
      return changed
    },
  },
]
