// The written form of a policy, as design §4 shows it, and the policy it becomes.

import * as z from 'zod'
import type { Policy } from '../access/policy.ts'
import { policyHash } from '../access/policy-hash.ts'
import { duration, durationOrZero, MAX_LIST, name, names, network, notSupportedYet, pattern, unique } from './scalar.ts'

export const roleSchema = z.enum(['engineer', 'approver', 'reviewer', 'admin', 'auditor'])

/** People by group or role; either is enough. */
const people = z
  .strictObject({ groups: names.default([]), roles: z.array(roleSchema).default([]) })
  .refine(({ groups, roles }) => groups.length + roles.length > 0, { error: 'name groups or roles' })

const trigger = z.union([
  name.transform((name) => ({ name })),
  z
    .strictObject({
      name,
      require: notSupportedYet('an incident check'),
      onError: notSupportedYet('an incident check'),
    })
    .transform(({ name }) => ({ name })),
])

const approvalRule = z
  .strictObject({
    when: z
      .strictObject({ account: name.optional(), trigger: name.optional() })
      .default({})
      .describe('The requests this rule is for; without it, all. The first rule that matches decides.'),
    required: z.int().min(0).max(5).describe('How many people must agree; 0: self-activation, loud.'),
    from: people.optional().describe('Who may agree; without it, everyone with the role approver.'),
    override: z
      .strictObject({ after: duration, reasonMinLength: z.int().min(1).max(500).default(40) })
      .optional()
      .describe('After how long the requester may go ahead alone.'),
  })
  .refine(({ required, override }) => required > 0 || override === undefined, {
    error: 'an override of nothing: `required` is 0',
    path: ['override'],
  })

const method = z.enum(['totp'], {
  error: ({ input }) =>
    input === 'fido2' || input === 'recovery' ? `the method ${input} is not supported yet; remove it` : 'write totp',
})

export const policySchema = z.strictObject({
  name,
  who: z
    .strictObject({ groups: names.default([]), users: names.default([]) })
    .refine(({ groups, users }) => groups.length + users.length > 0, { error: 'name groups or users' })
    .describe('Who may ask: members of one of these groups, and these users.'),
  targets: z
    .strictObject({ names: names.default([]), labels: z.record(name, z.string()).default({}) })
    .refine(({ names, labels }) => names.length + Object.keys(labels).length > 0, { error: 'name names or labels' })
    .describe('These targets, and those that carry all of these labels; `kind` counts as a label.'),
  accounts: names.min(1).describe('Logins or roles on the target, least first: the first is the default.'),
  scope: z
    .strictObject({ databases: names.default([]), schemas: notSupportedYet('limiting schemas') })
    .prefault({})
    .describe('PostgreSQL databases; without it, all of the target.'),
  triggers: z.array(trigger).min(1).max(MAX_LIST).describe('The emergencies this policy is for.'),
  reason: z
    .strictObject({
      minLength: z.int().min(1).max(500).default(10),
      incident: z.strictObject({ pattern, required: z.boolean().default(true) }).optional(),
    })
    .prefault({}),
  from: z.array(network).max(MAX_LIST).default([]).describe('Source networks; without it, from anywhere.'),
  duration: z
    .strictObject({
      default: duration,
      max: duration,
      extensions: z
        .strictObject({
          count: z.literal(0, { error: 'extending a grant is not supported yet; remove `extensions`' }).default(0),
          self: z.boolean().default(false),
        })
        .prefault({}),
    })
    .refine((duration) => duration.default <= duration.max, { error: 'the default is longer than the maximum' }),
  mfa: z
    .strictObject({
      methods: z.array(method).min(1).refine(unique, { error: 'a method is here twice' }).default(['totp']),
      remember: durationOrZero.prefault('10m').describe('How long one code counts; 0: each connection asks.'),
    })
    .prefault({}),
  approval: z.array(approvalRule).min(1).max(MAX_LIST),
  alerts: z.strictObject({
    channels: names.min(1).describe('Who is told, always: no glass breaks in silence.'),
    gate: notSupportedYet('holding a session until an alert is accepted'),
  }),
  review: z.strictObject({ within: duration, by: people }),
  recording: z
    .strictObject({
      results: z
        .strictObject({
          rows: z.literal(0, { error: 'keeping result rows is not supported yet; remove `results`' }).default(0),
        })
        .prefault({})
        .describe('Rows of query results kept per statement.'),
      files: z
        .enum(['full', 'hash'])
        .default('full')
        .describe('Bulk data: whole up to 10 MiB and by its running hash beyond, or by hash alone.'),
      confidential: notSupportedYet('confidential recording'),
    })
    .prefault({}),
  channelBinding: z.enum(['prefer', 'require']).default('prefer'),
  overlaps: names.default([]).describe('Stricter policies that this one knowingly overlaps.'),
})

/** The policy that was written, with its hash. */
export function policyOf(written: z.output<typeof policySchema>): Policy {
  const { incident, minLength } = written.reason
  const policy: Omit<Policy, 'hash'> = {
    name: written.name,
    who: written.who,
    targets: written.targets,
    accounts: written.accounts,
    scope: { databases: written.scope.databases, schemas: [], commands: [], files: true },
    triggers: written.triggers,
    reason: { minLength, incident: incident ?? null },
    from: written.from,
    windows: [],
    onCall: null,
    duration: {
      defaultMs: written.duration.default,
      maxMs: written.duration.max,
      extensions: written.duration.extensions,
    },
    mfa: { methods: written.mfa.methods, rememberMs: written.mfa.remember },
    approval: written.approval.map(({ when, required, from, override }) => ({
      when: {
        ...(when.account === undefined ? {} : { account: when.account }),
        ...(when.trigger === undefined ? {} : { trigger: when.trigger }),
      },
      required,
      from: from ?? { groups: [], roles: ['approver'] },
      override: override === undefined ? null : { afterMs: override.after, reasonMinLength: override.reasonMinLength },
    })),
    alerts: { channels: written.alerts.channels, gate: null },
    review: { withinMs: written.review.within, by: written.review.by, checklist: [], escalate: null },
    recording: { resultRows: written.recording.results.rows, files: written.recording.files },
    channelBinding: written.channelBinding,
    overlaps: written.overlaps,
  }
  return { ...policy, hash: policyHash(policy) }
}
