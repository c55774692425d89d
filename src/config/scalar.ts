// The small written forms of the configuration: durations, sizes, names, hosts, networks, patterns. Each parses once, to
// ms or bytes where it has a unit, and says in its error how it is written.

import * as z from 'zod'
import { parseNetwork } from '../access/network.ts'
import { patternProblem } from '../access/pattern.ts'
import { MAX_INCIDENT_LENGTH } from '../access/statement.ts'
import { MAX_NAME_LENGTH, nameProblem } from '../identity/name.ts'

/** No list of names in a configuration needs more. */
export const MAX_LIST = 200

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const sizeUnits: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** A year: anything longer is a mistake in the unit. */
const MAX_DURATION_MS = 366 * 86_400_000

const DURATION = /^[1-9]\d{0,8}(ms|s|m|h|d)$/
const SIZE = /^[1-9]\d{0,8}(B|KiB|MiB|GiB)$/
const durationForm = 'write a duration such as 90s, 30m, 8h or 2d'

/** `30m` to ms; at most a year. */
export const duration = z
  .string({ error: durationForm })
  .regex(DURATION, { error: durationForm, abort: true })
  .transform((text) => scaled(text, durationUnits))
  .refine((ms) => ms <= MAX_DURATION_MS, { error: 'at most 366d' })

/** As `duration`, or 0. */
export const durationOrZero = z
  .union([z.literal(0), z.string().regex(DURATION)], { error: `${durationForm}, or 0` })
  .transform((value) => (value === 0 ? 0 : scaled(value, durationUnits)))
  .refine((ms) => ms <= MAX_DURATION_MS, { error: 'at most 366d' })

/** `64MiB` to bytes. */
export const size = z
  .string({ error: 'write a size such as 64KiB or 64MiB' })
  .regex(SIZE, { error: 'write a size such as 64KiB or 64MiB', abort: true })
  .transform((text) => scaled(text, sizeUnits))

/** `5%` to 0.05, below 100. */
export const percent = z
  .string({ error: 'write a share such as 5% or 0.5%' })
  .regex(/^\d{1,2}(\.\d)?%$/, { error: 'write a share such as 5% or 0.5%', abort: true })
  .transform((text) => Number.parseFloat(text) / 100)

function scaled(text: string, units: Readonly<Record<string, number>>): number {
  const number = Number.parseInt(text, 10)
  return number * (units[text.slice(String(number).length)] ?? Number.NaN)
}

/** A name of design §2. */
export const name = z
  .string()
  .regex(new RegExp(`^(?!__proto__$)[A-Za-z0-9_][A-Za-z0-9._-]{0,${MAX_NAME_LENGTH - 1}}$`), {
    error: ({ input }) => `the name ${nameProblem(String(input)) ?? 'cannot be used'}`,
  })

/** Several names, none twice. */
export const names = z.array(name).max(MAX_LIST).refine(unique, { error: 'a name is here twice' })

export const host = z
  .string()
  .max(253)
  .regex(/^[A-Za-z0-9:][A-Za-z0-9.:_-]*$/, { error: 'write a host name or an address, without a port' })

export const port = z.int().min(1).max(65_535)

/** A port to listen on; 0 takes a free one. */
export const listenPort = z.int().min(0).max(65_535)

/** `10.0.0.0/8`, `2001:db8::/32` or one address. */
export const network = z.string().superRefine((text, context) => {
  const result = parseNetwork(text)
  if (result.kind === 'network') return
  const meant = result.meant === undefined ? '' : `; did you mean ${result.meant}`
  context.addIssue({ code: 'custom', message: `"${text}" ${result.why}${meant}` })
})

/** A file or directory; relative ones start at the configuration's directory. */
export const path = z.string().min(1).max(4096)

/** A regular expression (JavaScript, with the u flag) whose worst case is bounded: people type what it is tried on. */
export const pattern = z
  .string()
  .min(1)
  .max(200)
  .superRefine((text, context) => {
    const problem = patternProblem(text, MAX_INCIDENT_LENGTH)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  })

/** Refuses a field of the design that this version does not act on: what is ignored in silence protects nobody. */
export function notSupportedYet(what: string): z.ZodOptional<z.ZodNever> {
  return z.never({ error: `${what} is not supported yet; remove it` }).optional()
}

export function unique(values: readonly unknown[]): boolean {
  return new Set(values).size === values.length
}
