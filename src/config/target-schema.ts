// The written form of what Halligan leads to. Nothing here is trusted on first sight: host keys and CAs are pinned.

import { X509Certificate } from 'node:crypto'
import * as z from 'zod'
import { errorMessage } from './error-message.ts'
import { parseKeyLine } from '../sshwire/public-key.ts'
import { host, MAX_LIST, name, names, path, port } from './scalar.ts'

const MAX_ARGUMENTS = 100
const MAX_ARGUMENT_LENGTH = 4096

const labels = z
  .record(name, z.string().max(200))
  .default({})
  .refine((labels) => !Object.hasOwn(labels, 'kind'), { error: 'the label kind is given by the target itself' })
  .describe('Free labels that policies select by.')

const base = {
  name,
  labels,
  accounts: names.min(1).describe('Logins or roles that policies may hand out.'),
  canary: z.boolean().default(false).describe('Nothing of value is behind it: drills may use it, and nothing else.'),
}

/** `type base64 [comment]`, as ssh-keygen writes it: to the type and the blob, with the comment apart. */
export const keyLine = z.string().transform((line, context) => {
  try {
    const { key, blob, fingerprint, comment } = parseKeyLine(line)
    return { type: key.type, blob: blob.toString('base64'), fingerprint, comment }
  } catch (error) {
    context.addIssue({ code: 'custom', message: errorMessage(error) })
    return z.NEVER
  }
})

/** PEM certificates; anything else in the text, a private key above all, is refused. */
export function caProblem(pem: string): string | undefined {
  if (pem.includes('PRIVATE KEY')) return 'a private key stands where only certificates belong'
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) return 'not a PEM certificate (-----BEGIN CERTIFICATE-----)'
  try {
    // Each is decoded here, so that a broken one is found now and not at 3 a.m.
    const isWhole = blocks.every((block) => new X509Certificate(block).raw.length > 0)
    return isWhole ? undefined : 'a certificate in it cannot be read'
  } catch {
    return 'a certificate in it cannot be read'
  }
}

const ssh = z.strictObject({
  kind: z.literal('ssh'),
  ...base,
  host,
  port: port.default(22),
  hostKeys: z
    .array(keyLine)
    .min(1, { error: 'pin at least one host key; `ssh-keyscan HOST` shows them, compare them on the machine itself' })
    .max(MAX_LIST),
  credential: name.describe('Name of the secret that holds the private key.'),
})

const postgres = z
  .strictObject({
    kind: z.literal('postgres'),
    ...base,
    host,
    port: port.default(5432),
    databases: names.min(1).describe('The first is the default.'),
    ca: z.string().optional().describe('PEM of the CA that signed the server certificate.'),
    caFile: path.optional().describe('The same, in a file.'),
    serverName: host.optional().describe('Name in the certificate, where it is not `host`.'),
    credentials: z.record(name, name).describe('Per account, the name of the secret that holds its password.'),
  })
  .superRefine(({ accounts, credentials, ca, caFile }, context) => {
    if ((ca === undefined) === (caFile === undefined))
      context.addIssue({ code: 'custom', path: ['ca'], message: 'give either `ca` or `caFile`' })
    const problem = ca === undefined ? undefined : caProblem(ca)
    if (problem !== undefined) context.addIssue({ code: 'custom', path: ['ca'], message: problem })
    for (const account of accounts)
      if (!Object.hasOwn(credentials, account))
        context.addIssue({ code: 'custom', path: ['credentials'], message: `account "${account}" has no credential` })
    for (const account of Object.keys(credentials))
      if (!accounts.includes(account))
        context.addIssue({ code: 'custom', path: ['credentials', account], message: `"${account}" is no account here` })
  })

const command = z.strictObject({
  kind: z.literal('command'),
  ...base,
  argv: z.array(z.string().max(MAX_ARGUMENT_LENGTH)).min(1).max(MAX_ARGUMENTS),
  // Root could read state, keys and journal, whoever Halligan runs as.
  runAs: z.strictObject({
    uid: z
      .int()
      .min(1, { error: 'a command target never runs as root' })
      .max(2 ** 31 - 1),
    gid: z
      .int()
      .min(1, { error: 'a command target never runs with the group root' })
      .max(2 ** 31 - 1),
  }),
  cwd: z.string().regex(/^\//, { error: 'write an absolute path' }),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: 'not a variable name' }), z.string()).default({}),
})

export const targetSchema = z.discriminatedUnion('kind', [ssh, postgres, command], {
  error: 'write `kind: ssh`, `kind: postgres` or `kind: command`',
})

export type WrittenTarget = z.output<typeof targetSchema>
