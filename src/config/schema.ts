// The whole configuration as it is written: shapes, units and defaults, one file a glance. What one part says about
// another (names, references, overlaps) is checked in references.ts.

import * as z from 'zod'
import { anchorSchema } from './anchor-schema.ts'
import { checkSchema, drillSchema } from './check-schema.ts'
import { isLoopbackHost } from './loopback.ts'
import { channelSchema } from './channel-schema.ts'
import { policySchema, roleSchema } from './policy-schema.ts'
import { host, listenPort, MAX_LIST, name, names, network, path, percent, size } from './scalar.ts'
import { keyLine, targetSchema } from './target-schema.ts'

/** Bounds of the lists: the check of all policies against each other has to stay quick. */
const MAX_USERS = 2000
const MAX_TARGETS = 2000
const MAX_POLICIES = 200
const MAX_CHANNELS = 50
const MAX_CHECKS = 50
const MAX_ANCHORS = 10
const MAX_DRILLS = 20
const MAX_KEYS = 20

const MIN_SEGMENT_BYTES = 64 * 1024
const MAX_SEGMENT_BYTES = 4 * 1024 ** 3
/** A session must at least get as far as its first screen and its end. */
const MIN_RECORDING_BYTES = 1024 ** 2

function listen(defaultPort: number) {
  return { host: host.default('127.0.0.1'), port: listenPort.default(defaultPort) }
}

const web = z
  .strictObject({
    ...listen(8080),
    url: z
      .url({ protocol: /^https?$/, error: 'write an address such as https://halligan.example.com' })
      .optional()
      .describe('What people type; without it http://localhost and the port.'),
    trustedProxies: z
      .array(network)
      .max(MAX_LIST)
      .default([])
      .describe('Proxies that end TLS in front of this listener and say who the client is.'),
  })
  .superRefine(({ host, url, trustedProxies }, context) => {
    if (isLoopbackHost(host)) return
    if (trustedProxies.length === 0)
      context.addIssue({
        code: 'custom',
        path: ['host'],
        message: 'off loopback the page needs a proxy that ends TLS: name it in `trustedProxies`',
      })
    if (url === undefined || !url.startsWith('https://'))
      context.addIssue({ code: 'custom', path: ['url'], message: 'off loopback the page needs an https:// `url`' })
  })

const user = z.strictObject({
  name,
  groups: names.default([]),
  roles: z.array(roleSchema).min(1).default(['engineer']),
  keys: z.array(keyLine).min(1, { error: 'without a key nobody can come in' }).max(MAX_KEYS),
  disabled: z.boolean().default(false).describe('Nothing is opened to this person, and what is open ends.'),
})

const keySource = z
  .strictObject({ file: path.optional(), credential: name.optional(), environment: name.optional() })
  .refine((source) => Object.values(source).filter((value) => value !== undefined).length === 1, {
    error: 'give one of `file`, `credential` (systemd) or `environment`',
  })

export const configSchema = z.strictObject({
  hostname: host.describe(
    'The name under which people reach this machine; it is in prompts, dsn lines and certificates.',
  ),
  state: path.describe('Directory of state, journal and keys; 0700.'),
  recordings: path.optional().describe('Directory of sealed recordings; without it `recordings` below `state`.'),
  listen: z
    .strictObject({
      ssh: z.strictObject(listen(2222)).prefault({}),
      postgres: z.strictObject(listen(6432)).prefault({}),
      web: web.prefault({}),
    })
    .prefault({}),
  journal: z
    .strictObject({
      segment: size
        .prefault('64MiB')
        .refine((bytes) => bytes >= MIN_SEGMENT_BYTES && bytes <= MAX_SEGMENT_BYTES, { error: 'from 64KiB to 4GiB' }),
    })
    .prefault({}),
  recording: z
    .strictObject({
      maxBytes: size
        .prefault('4GiB')
        .refine((bytes) => bytes >= MIN_RECORDING_BYTES, { error: 'at least 1MiB' })
        .describe('A session that has written so much is ended.'),
      bulkBelow: percent.prefault('20%').describe('With less of the disk left, transfers over 1MiB are refused.'),
      sessionsBelow: percent.prefault('5%').describe('With less of the disk left, no new session is opened.'),
      endBelow: percent.prefault('1%').describe('With less of the disk left, whoever writes most is ended.'),
    })
    .refine((floors) => floors.endBelow <= floors.sessionsBelow || floors.sessionsBelow === 0, {
      path: ['endBelow'],
      error: 'nobody is ended while others are let in: at most `sessionsBelow`',
    })
    .prefault({}),
  secrets: z.strictObject({
    directory: path.describe('One file per secret, named as it is called here, 0600.'),
    key: keySource.describe('Where the key is that encrypts secrets at rest: 32 bytes, base64 or hex.'),
  }),
  users: z.array(user).min(1).max(MAX_USERS),
  targets: z.array(targetSchema).min(1).max(MAX_TARGETS),
  channels: z.array(channelSchema).min(1).max(MAX_CHANNELS),
  anchors: z
    .array(anchorSchema)
    .max(MAX_ANCHORS)
    .default([])
    .describe('Places that keep signed heads of the ledger, so that nothing before can be taken back.'),
  checks: z.array(checkSchema).max(MAX_CHECKS).default([]).describe('Questions put to something outside.'),
  drills: z.array(drillSchema).max(MAX_DRILLS).default([]).describe('Rehearsals that are due by themselves.'),
  policies: z.array(policySchema).min(1).max(MAX_POLICIES),
})

export type WrittenConfig = z.output<typeof configSchema>
