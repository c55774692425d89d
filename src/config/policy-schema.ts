// The written form of a policy, as design §4 shows it, and the policy it becomes.

import * as z from 'zod'
import type { AlertGate, CheckRule, Policy } from '../access/policy.ts'
import { policyHash } from '../access/policy-hash.ts'
import { duration, durationOrZero, MAX_LIST, name, names, network, notSupportedYet, pattern, unique } from './scalar.ts'
import { MAX_WINDOWS, windowSchema } from './window-schema.ts'

/** A grant that is extended more often than that is not an emergency any more. */
const MAX_EXTENSIONS = 10

const MAX_COMMANDS = 100
const MAX_COMMAND_LENGTH = 1000
const MAX_QUESTIONS = 20

/** What nobody waits for at a prompt. */
const MAX_GATE_MS = 10 * 60_000

const onError = z
  .enum(['allow', 'deny'], { error: 'write `onError: allow` or `onError: deny`: what counts when it does not answer' })
  .describe('What counts when the check does not answer.')

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
      require: name.optional().describe('Name of the check that must find it true.'),
      onError: onError.optional(),
    })
    .refine(({ require, onError }) => (require === undefined) === (onError === undefined), {
      error: '`require` and `onError` go together: what is checked, and what counts when it does not answer',
    })
    .transform(({ name, require, onError }): { name: string; require?: CheckRule } =>
      require === undefined || onError === undefined ? { name } : { name, require: { check: require, onError } },
    ),
])

const scope = z
  .strictObject({
    databases: names.default([]),
    schemas: notSupportedYet('limiting schemas'),
    tables: notSupportedYet('limiting tables'),
    commands: z
      .array(
        z
          .string()
          .min(1)
          .max(MAX_COMMAND_LENGTH)
          .regex(/^[^\p{Cc}\s](?:.*[^\s])?$/u, {
            error: 'write the command line as it is typed, without space around it',
          }),
      )
      .max(MAX_COMMANDS)
      .refine(unique, { error: 'a command is here twice' })
      .default([])
      .describe('Exact command lines on an ssh target; with any here there is no shell and no other command.'),
    files: z.boolean().optional().describe('Beside `commands`: whether sftp is opened as well; without it, it is not.'),
  })
  .refine(({ commands, files }) => files !== false || commands.length > 0, {
    error: 'whoever has a shell has the files; list `commands` as well',
    path: ['files'],
  })

/** An object with one field. Written out, the field that design §4 calls `then` would look like a promise's. */
function field<const K extends string, T>(name: K, value: T): Readonly<Record<K, T>> {
  return Object.fromEntries([[name, value]]) as Record<K, T>
}

const gate = z
  .strictObject({
    accepted: z.int().min(1).max(20).describe('How many channels marked `outside` must have accepted the alert.'),
    within: duration.refine((ms) => ms <= MAX_GATE_MS, { error: 'at most 10m: somebody waits at the prompt' }),
    otherwise: z.enum(['allow', 'deny', 'hold'], { error: 'write allow, deny or hold' }).default('allow'),
    holdMax: duration
      .refine((ms) => ms <= MAX_GATE_MS, { error: 'at most 10m: somebody waits at the prompt' })
      .optional(),
    ...field('then', z.enum(['allow', 'deny'], { error: 'write allow or deny' }).optional()),
  })
  .superRefine(({ otherwise, holdMax, then: afterHold }, context) => {
    const problem = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    if (otherwise === 'hold' && holdMax === undefined) problem('otherwise', '`hold` needs `holdMax`: for how long')
    if (otherwise === 'hold' && afterHold === undefined) problem('otherwise', '`hold` needs `then`: allow or deny')
    if (otherwise !== 'hold' && holdMax !== undefined) problem('holdMax', 'only with `otherwise: hold`')
    if (otherwise !== 'hold' && afterHold !== undefined) problem('then', 'only with `otherwise: hold`')
  })
  .describe('Holds a session until its alert was accepted; without it, nothing waits.')

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

const method = z.enum(['totp', 'recovery'], {
  error: ({ input }) =>
    input === 'fido2' ? 'the method fido2 is not supported yet; remove it' : 'write totp or recovery',
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
  scope: scope.prefault({}).describe('What of the target is opened; without it, all of it.'),
  triggers: z.array(trigger).min(1).max(MAX_LIST).describe('The emergencies this policy is for.'),
  reason: z
    .strictObject({
      minLength: z.int().min(1).max(500).default(10),
      incident: z.strictObject({ pattern, required: z.boolean().default(true) }).optional(),
    })
    .prefault({}),
  from: z.array(network).max(MAX_LIST).default([]).describe('Source networks; without it, from anywhere.'),
  windows: z
    .array(windowSchema)
    .min(1, { error: 'without windows it is always open: remove the field, or name one' })
    .max(MAX_WINDOWS)
    .default([])
    .describe('When it may be used; without it, always.'),
  onCall: z.strictObject({ check: name, onError }).optional().describe('Only whom this check finds on call may ask.'),
  duration: z
    .strictObject({
      default: duration,
      max: duration,
      extensions: z
        .strictObject({
          count: z.int().min(0).max(MAX_EXTENSIONS).default(0).describe('How often, never beyond `max` in all.'),
          self: z.boolean().default(false).describe('Whether the owner may, or somebody who could approve must.'),
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
    gate: gate.optional(),
  }),
  review: z.strictObject({
    within: duration,
    by: people,
    checklist: z
      .array(
        z
          .string()
          .trim()
          .min(1)
          .max(200)
          .regex(/^\P{C}*$/u, { error: 'one line without control characters' }),
      )
      .max(MAX_QUESTIONS)
      .refine(unique, { error: 'a question is here twice' })
      .default([])
      .describe('Questions that every reviewer answers: yes, no or not applicable.'),
    escalate: z
      .strictObject({ after: duration, channels: names.min(1) })
      .optional()
      .describe('Overdue by this much, these channels are told as well.'),
  }),
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
    scope: scopeOf(written.scope),
    triggers: written.triggers,
    reason: { minLength, incident: incident ?? null },
    from: written.from,
    windows: written.windows,
    onCall: written.onCall ?? null,
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
    alerts: { channels: written.alerts.channels, gate: gateOf(written.alerts.gate) },
    review: {
      withinMs: written.review.within,
      by: written.review.by,
      checklist: written.review.checklist,
      escalate: escalationOf(written.review.escalate),
    },
    recording: { resultRows: written.recording.results.rows, files: written.recording.files },
    channelBinding: written.channelBinding,
    overlaps: written.overlaps,
  }
  return { ...policy, hash: policyHash(policy) }
}

function scopeOf({ databases, commands, files }: z.output<typeof scope>): Policy['scope'] {
  // A list of commands is all there is, unless it says otherwise.
  return { databases, schemas: [], commands, files: files ?? commands.length === 0 }
}

function gateOf(written: z.output<typeof gate> | undefined): AlertGate | null {
  if (written === undefined) return null
  const { accepted, within, otherwise, holdMax, then: afterHold } = written
  return { accepted, withinMs: within, otherwise, holdMaxMs: holdMax ?? 0, afterHold: afterHold ?? 'deny' }
}

function escalationOf(
  written: { readonly after: number; readonly channels: readonly string[] } | undefined,
): Policy['review']['escalate'] {
  return written === undefined ? null : { afterMs: written.after, channels: written.channels }
}
