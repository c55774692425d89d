// The written form of where checkpoints go: a URL, or the mail server of a channel that is there already.

import * as z from 'zod'
import { caProblem } from './target-schema.ts'
import { checkedUrl, urlForm } from './channel-schema.ts'
import type { Anchor } from './config.ts'
import { duration, name, path } from './scalar.ts'

/** Below it a checkpoint is on its way all the time. */
const MIN_EVERY_MS = 1000
/** A window of more than a day is none. */
const MAX_EVERY_MS = 86_400_000

const every = duration.refine((ms) => ms >= MIN_EVERY_MS && ms <= MAX_EVERY_MS, { error: 'from 1s to 1d' })

const webhook = z
  .strictObject({
    kind: z.literal('webhook'),
    name,
    outside: z.boolean().default(false).describe('True when it ends on a machine that this one cannot reach into.'),
    url: z.union([checkedUrl, z.strictObject({ secret: name.describe('Name of the secret that holds the URL.') })], {
      error: urlForm,
    }),
    secret: name.describe('Name of the secret that signs (Standard Webhooks, `whsec_…`).'),
    every: every.prefault('5s').describe('Between two checkpoints while the ledger grows.'),
    readBack: z.boolean().default(false).describe('A GET of the URL gives the newest checkpoint it holds.'),
    ca: z
      .string()
      .optional()
      .describe('PEM of the CA that signed the server certificate; default: those of the machine.'),
    caFile: path.optional().describe('The same, in a file.'),
  })
  .superRefine(({ ca, caFile }, context) => {
    if (ca !== undefined && caFile !== undefined)
      context.addIssue({ code: 'custom', path: ['caFile'], message: 'give either `ca` or `caFile`' })
    const problem = ca === undefined ? undefined : caProblem(ca)
    if (problem !== undefined) context.addIssue({ code: 'custom', path: ['ca'], message: problem })
  })

const email = z.strictObject({
  kind: z.literal('email'),
  name,
  channel: name.describe('The channel of kind email whose server, addresses and `outside` it has.'),
  every: every.prefault('1h').describe('Between two checkpoints while the ledger grows; an activation does not wait.'),
})

export const anchorSchema = z.discriminatedUnion('kind', [webhook, email], {
  error: 'write `kind:` webhook or email',
})

export type WrittenAnchor = z.output<typeof anchorSchema>

/** The anchor as the house is given it; `pem` is what its `caFile` held. */
export function anchorOf(written: WrittenAnchor, pem: string | undefined): Anchor {
  const { every: everyMs, ...rest } = written
  if (rest.kind === 'email') return { ...rest, everyMs }
  const { caFile: _caFile, ca, ...webhook } = rest
  return { ...webhook, everyMs, ca: pem ?? ca ?? null }
}
