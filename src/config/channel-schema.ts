// The written form of where alerts go. No secret stands here: a key, a password, or a URL that lets anyone post who knows
// it is named and read from the secrets.

import * as z from 'zod'
import { HalliganError } from '../errors.ts'
import { isMailAddress } from '../notify/email.ts'
import { outboundUrl } from '../outbound/request.ts'
import { isLoopbackHost } from './loopback.ts'
import { host, name, path, port, unique } from './scalar.ts'
import { caProblem } from './target-schema.ts'

/** One message goes to all of them in one go. */
const MAX_RECIPIENTS = 50

const address = z.string().max(320).refine(isMailAddress, { error: 'not a mail address such as security@example.com' })

const url = z.string().max(2000).superRefine(checkUrl)
/** A URL that Halligan may call. */
export const checkedUrl = url
const secretUrl = z.strictObject({ secret: name.describe('Name of the secret that holds the URL.') })
export const urlForm = 'write an https:// URL, or `url: { secret: NAME }` where knowing it is enough to post'

const base = {
  name,
  outside: z.boolean().default(false).describe('True when it ends on a machine that this one cannot reach into.'),
}

const certificates = {
  ca: z
    .string()
    .optional()
    .describe('PEM of the CA that signed the server certificate; default: those of the machine.'),
  caFile: path.optional().describe('The same, in a file.'),
}

const webhook = z
  .strictObject({
    kind: z.literal('webhook'),
    ...base,
    url: z.union([url, secretUrl], { error: urlForm }),
    secret: name.describe('Name of the secret that signs (Standard Webhooks, `whsec_…`).'),
    ...certificates,
  })
  .superRefine(checkCertificates)

const slack = z.strictObject({
  kind: z.literal('slack'),
  ...base,
  url: z.union([url, secretUrl], { error: urlForm }).superRefine(checkPostingUrl),
})

const teams = z.strictObject({
  kind: z.literal('teams'),
  ...base,
  url: z.union([url, secretUrl], { error: urlForm }).superRefine(checkPostingUrl),
})

const pagerduty = z.strictObject({
  kind: z.literal('pagerduty'),
  ...base,
  secret: name.describe('Name of the secret that holds the integration key (Events API v2).'),
  url: url.optional().describe('Default: https://events.pagerduty.com/v2/enqueue; the EU region has its own.'),
})

const email = z
  .strictObject({
    kind: z.literal('email'),
    ...base,
    host,
    port: port.optional().describe('Default: 587, with `security: tls` 465.'),
    security: z
      .enum(['starttls', 'tls', 'none'], { error: 'write starttls, tls, or none for a server on this machine' })
      .default('starttls'),
    from: address,
    to: z.array(address).min(1).max(MAX_RECIPIENTS).refine(unique, { error: 'an address is here twice' }),
    login: z
      .strictObject({
        user: z.string().min(1).max(320),
        secret: name.describe('Name of the secret that holds the password.'),
      })
      .optional(),
    ...certificates,
  })
  .superRefine(({ host, security, login }, context) => {
    if (security !== 'none') return
    if (!isLoopbackHost(host))
      context.addIssue({ code: 'custom', path: ['security'], message: 'mail to another machine needs starttls or tls' })
    if (login !== undefined)
      context.addIssue({ code: 'custom', path: ['login'], message: 'a password is never sent without TLS' })
  })
  .superRefine(checkCertificates)

const syslog = z
  .strictObject({
    kind: z.literal('syslog'),
    ...base,
    host,
    port: port.optional().describe('Default: 6514, with `transport: tcp` 514.'),
    transport: z.enum(['tls', 'tcp'], { error: 'write tls or tcp' }).default('tls'),
    ...certificates,
  })
  .superRefine(({ transport, outside, ca, caFile }, context) => {
    if (transport !== 'tcp') return
    if (outside)
      context.addIssue({
        code: 'custom',
        path: ['outside'],
        message: 'over plain TCP nothing proves who took an alert; an outside channel needs `transport: tls`',
      })
    if (ca !== undefined || caFile !== undefined)
      context.addIssue({ code: 'custom', path: ['transport'], message: 'a CA is of no use without TLS' })
  })
  .superRefine(checkCertificates)

export const channelSchema = z.discriminatedUnion('kind', [webhook, slack, teams, pagerduty, email, syslog], {
  error: 'write `kind:` webhook, slack, teams, pagerduty, email or syslog',
})

export type WrittenChannel = z.output<typeof channelSchema>

function checkUrl(text: string, context: z.RefinementCtx<string>): void {
  try {
    outboundUrl(text)
  } catch (error) {
    if (!(error instanceof HalliganError)) throw error
    context.addIssue({ code: 'custom', message: error.describe().replace('\nhint: ', '; ') })
  }
}

/** Whoever reads the configuration, its history or its ledger leaf could post as Halligan. */
function checkPostingUrl(
  written: string | { secret: string },
  context: z.RefinementCtx<string | { secret: string }>,
): void {
  if (typeof written !== 'string') return
  const hostname = URL.parse(written)?.hostname.replaceAll(/^\[|\]$/g, '') ?? ''
  if (isLoopbackHost(hostname)) return
  context.addIssue({ code: 'custom', message: 'this URL is a secret: write `url: { secret: NAME }`' })
}

function checkCertificates(
  { ca, caFile }: { ca?: string | undefined; caFile?: string | undefined },
  context: z.RefinementCtx,
): void {
  if (ca !== undefined && caFile !== undefined)
    context.addIssue({ code: 'custom', path: ['caFile'], message: 'give either `ca` or `caFile`' })
  const problem = ca === undefined ? undefined : caProblem(ca)
  if (problem !== undefined) context.addIssue({ code: 'custom', path: ['ca'], message: problem })
}
