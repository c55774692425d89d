// The written form of the part of the week in which a policy may be used.

import * as z from 'zod'
import type { TimeWindow } from '../access/policy.ts'
import { isZone } from '../access/window.ts'
import { unique } from './scalar.ts'

const WEEK = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

/** More than a policy's readers could hold in mind. */
export const MAX_WINDOWS = 20

/** `08:00` to minutes since midnight; `24:00` is the end of the day. */
const clockTime = z
  .string({ error: "write a time in quotes, such as '08:00'" })
  .regex(/^(?:[01]\d|2[0-3]):[0-5]\d$|^24:00$/, { error: "write a time such as '08:00'", abort: true })
  .transform((text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3)))

export const windowSchema = z
  .strictObject({
    days: z
      .array(z.enum(WEEK, { error: `write ${WEEK.join(', ')}` }))
      .min(1)
      .refine(unique, { error: 'a day is here twice' })
      .default([...WEEK])
      .describe('The days on which it opens; without it, every day.'),
    from: clockTime.refine((minute) => minute < 24 * 60, { error: "write '00:00', on the day after" }),
    to: clockTime.describe('At or before `from`: on the day after.'),
    zone: z
      .string()
      .max(64)
      .refine(isZone, {
        error: ({ input }) => `there is no time zone "${String(input)}"; write one such as Europe/Berlin`,
      }),
  })
  .transform(({ days, from, to, zone }): TimeWindow => ({
    days: days.map((day) => WEEK.indexOf(day) + 1).sort((left, right) => left - right),
    fromMinute: from,
    toMinute: to,
    zone,
  }))
