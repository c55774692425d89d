// What the parts of a configuration say about each other: names that meet, names that lead nowhere, policies that open
// nothing. Each finding carries the path of what to change.

import { checkPolicies } from '../access/overlap.ts'
import { coversTarget } from '../access/scope.ts'
import type { Policy } from '../access/policy.ts'
import { describeConflict, directoryConflicts } from '../identity/directory.ts'
import { commandNames, nameKey } from '../identity/name.ts'
import type { User } from '../identity/user.ts'
import type { Target } from '../target.ts'
import type { CheckConfig, Config } from './config.ts'
import type { Path } from './yaml.ts'

export interface ReferenceProblem {
  readonly path: Path
  readonly message: string
  readonly hint?: string
}

/** Everything that does not fit together. */
export function checkReferences(config: Config): ReferenceProblem[] {
  const { users, targets, channels, anchors, checks, drills, policies } = config
  return [
    ...listenersApart(config),
    ...usersApart(users),
    ...targetsApart(users, targets),
    ...namedOnce(channels, 'channels', 'channel'),
    ...namedOnce(anchors, 'anchors', 'anchor'),
    ...anchorsHaveMail(config),
    ...namedOnce(checks, 'checks', 'check'),
    ...namedOnce(drills, 'drills', 'drill'),
    ...drillsCanRun(config),
    ...namedOnce(policies, 'policies', 'policy'),
    ...policies.flatMap((policy, index) => [
      ...leadsSomewhere(policy, ['policies', index], config),
      ...asksOutside(policy, ['policies', index], config),
      ...canBeKept(policy, ['policies', index], config),
    ]),
    ...checkPolicies(policies, users.filter(isEnabled), targets).map(({ policy, path, message, hint }) => ({
      path: ['policies', policy, ...path],
      message,
      hint,
    })),
  ]
}

function anchorsHaveMail({ anchors, channels }: Config): ReferenceProblem[] {
  return anchors.flatMap((anchor, index) => {
    if (anchor.kind !== 'email') return []
    const path = ['anchors', index, 'channel']
    const channel = channels.find(({ name }) => name === anchor.channel)
    if (channel === undefined) return [{ path, message: `there is no channel ${anchor.channel}` }]
    return channel.kind === 'email'
      ? []
      : [{ path, message: `channel ${channel.name} is no mail: it is ${channel.kind}` }]
  })
}

function isEnabled(user: User): boolean {
  return user.isDisabled !== true
}

function listenersApart({ listen }: Config): ReferenceProblem[] {
  const taken = new Map<string, string>()
  return Object.entries(listen).flatMap(([which, { host, port }]: [string, { host: string; port: number }]) => {
    const place = `${host}:${port}`
    const first = port === 0 ? undefined : taken.get(place)
    taken.set(place, which)
    return first === undefined ? [] : [{ path: ['listen', which], message: `${place} is taken by ${first}` }]
  })
}

function usersApart(users: readonly User[]): ReferenceProblem[] {
  const reserved = users.flatMap(({ name }, index) => reservedName(name, ['users', index, 'name']))
  const conflicts = directoryConflicts(users).map((conflict): ReferenceProblem => {
    const index = users.indexOf(conflict.second)
    const message = describeConflict(conflict)
    if (conflict.kind === 'name') return { path: ['users', index, 'name'], message }
    const key = conflict.second.keys.findLastIndex(({ fingerprint }) => fingerprint === conflict.fingerprint)
    return { path: ['users', index, 'keys', key], message, hint: 'one key belongs to one person; make another' }
  })
  return [...reserved, ...conflicts]
}

function targetsApart(users: readonly User[], targets: readonly Target[]): ReferenceProblem[] {
  const people = new Map(users.map(({ name }) => [nameKey(name), name]))
  const shared = targets.flatMap(({ name }, index) => {
    const path = ['targets', index, 'name']
    const user = people.get(nameKey(name))
    return user === undefined
      ? reservedName(name, path)
      : [{ path, message: `"${name}" is a user as well; a login could not tell them apart` }]
  })
  return [...namedOnce(targets, 'targets', 'target'), ...shared]
}

function reservedName(name: string, path: Path): ReferenceProblem[] {
  return commandNames.includes(nameKey(name)) ? [{ path, message: `"${name}" is a command; choose another name` }] : []
}

function namedOnce(things: readonly { readonly name: string }[], list: string, what: string): ReferenceProblem[] {
  const names = new Set<string>()
  return things.flatMap(({ name }, index) => {
    const isTaken = names.has(nameKey(name))
    names.add(nameKey(name))
    return isTaken ? [{ path: [list, index, 'name'], message: `a second ${what} called "${name}"` }] : []
  })
}

/** The names in a policy must be names of something; a typing error would otherwise open less, or more, in silence. */
function leadsSomewhere(policy: Policy, at: Path, config: Config): ReferenceProblem[] {
  const covered = config.targets.filter((target) => coversTarget(policy, target))
  const databases = covered.flatMap((target) => (target.kind === 'postgres' ? target.databases : []))
  // Whoever is disabled is somebody all the same: disabling a person must not need a second edit to count.
  const groups = config.users.flatMap((user) => user.groups)
  const named = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name)
  const known = {
    user: new Set(named(config.users)),
    group: new Set(groups),
    target: new Set(named(config.targets)),
    channel: new Set(named(config.channels)),
    account: new Set(covered.flatMap((target) => target.accounts)),
    database: new Set(databases),
    policy: new Set(named(config.policies).filter((name) => name !== policy.name)),
    ownAccount: new Set(policy.accounts),
    ownTrigger: new Set(named(policy.triggers)),
  }
  const unknown = (names: readonly string[], among: ReadonlySet<string>, what: string, ...path: Path) =>
    names.flatMap((name, index) =>
      among.has(name) ? [] : [{ path: [...at, ...path, index], message: `${what} "${name}"`, ...listed(among) }],
    )
  const when = policy.approval.flatMap(({ when, from }, index): ReferenceProblem[] => {
    const path = [...at, 'approval', index]
    const { account, trigger } = when
    return [
      ...(account === undefined || known.ownAccount.has(account)
        ? []
        : [{ path: [...path, 'when', 'account'], message: `"${account}" is no account of this policy` }]),
      ...(trigger === undefined || known.ownTrigger.has(trigger)
        ? []
        : [{ path: [...path, 'when', 'trigger'], message: `"${trigger}" is no trigger of this policy` }]),
      ...unknown(from.groups, known.group, 'nobody is in the group', 'approval', index, 'from', 'groups'),
    ]
  })
  const escalation = ['review', 'escalate', 'channels']
  const strangers = unknown(policy.targets.names, known.target, 'there is no target', 'targets', 'names')
  const nothing = { path: [...at, 'targets'], message: `policy "${policy.name}" matches no target` }
  return [
    ...unknown(policy.who.users, known.user, 'there is no user', 'who', 'users'),
    ...unknown(policy.who.groups, known.group, 'nobody is in the group', 'who', 'groups'),
    ...strangers,
    ...(covered.length === 0
      ? strangers.length === 0
        ? [nothing]
        : []
      : unknown(policy.accounts, known.account, 'no target here has the account', 'accounts')),
    ...unknown(policy.scope.databases, known.database, 'no target here has the database', 'scope', 'databases'),
    ...unknown(policy.alerts.channels, known.channel, 'there is no channel', 'alerts', 'channels'),
    ...unknown(policy.review.escalate?.channels ?? [], known.channel, 'there is no channel', ...escalation),
    ...unknown(policy.review.by.groups, known.group, 'nobody is in the group', 'review', 'by', 'groups'),
    ...unknown(policy.overlaps, known.policy, 'there is no other policy', 'overlaps'),
    ...when,
    ...namedOnce(policy.triggers, 'triggers', 'trigger').map((problem) => ({
      ...problem,
      path: [...at, ...problem.path],
    })),
  ]
}

/** Checks that are there, and that ask about what the clause is about. */
function asksOutside({ onCall, triggers, reason }: Policy, at: Path, { checks }: Config): ReferenceProblem[] {
  const known = new Map(checks.map((check) => [check.name, check]))
  const among = new Set(known.keys())
  const missing = (check: string, path: Path): ReferenceProblem[] =>
    known.has(check) ? [] : [{ path, message: `there is no check "${check}"`, ...listed(among) }]
  const person = onCall === null ? undefined : known.get(onCall.check)
  const forEveryone =
    person === undefined || asksAbout(person, 'user')
      ? []
      : [
          {
            path: [...at, 'onCall', 'check'],
            message: `the check "${person.name}" does not ask about the person`,
            hint: 'name one with {user} in its url, or with a PagerDuty schedule or escalation policy',
          },
        ]
  return [
    ...(onCall === null ? [] : missing(onCall.check, [...at, 'onCall', 'check'])),
    ...forEveryone,
    ...triggers.flatMap(({ require }, index): ReferenceProblem[] => {
      if (require === undefined) return []
      const path = [...at, 'triggers', index, 'require']
      const check = known.get(require.check)
      if (check === undefined || !asksAbout(check, 'incident') || reason.incident?.required === true)
        return missing(require.check, path)
      const message = `the check "${check.name}" asks about the incident, and this policy needs none`
      return [{ path, message, hint: 'add `incident` to `reason`' }]
    }),
  ]
}

/** Whether the placeholder is in what the check asks or expects. */
function asksAbout(check: CheckConfig, what: 'user' | 'incident'): boolean {
  if (check.kind === 'pagerduty') return what === 'user' && check.asks.kind !== 'open-incident'
  const { url, expect } = check
  return url.includes(`{${what}}`) || (expect.kind === 'equals' && String(expect.value).includes(`{${what}}`))
}

/** Promises that could not be kept: a gate that never opens, a list of commands where no command line is seen. */
function canBeKept({ alerts, scope, ...policy }: Policy, at: Path, config: Config): ReferenceProblem[] {
  const outside = config.channels.filter(({ name, outside }) => outside && alerts.channels.includes(name)).length
  const isShut = alerts.gate !== null && alerts.gate.accepted > outside
  const other =
    scope.commands.length === 0
      ? undefined
      : config.targets.find((target) => target.kind !== 'ssh' && coversTarget({ ...policy, alerts, scope }, target))
  return [
    ...(isShut
      ? [
          {
            path: [...at, 'alerts', 'gate', 'accepted'],
            message: `the gate waits for ${alerts.gate?.accepted} channels, but ${outside} of this policy's are marked \`outside: true\``,
            hint: 'what this machine could hide does not count; name more channels, or ask for fewer',
          },
        ]
      : []),
    ...(other === undefined
      ? []
      : [
          {
            path: [...at, 'scope', 'commands'],
            message: `commands are seen on ssh targets only, and "${other.name}" is of kind ${other.kind}`,
            hint: 'select ssh targets alone: `labels: { kind: ssh }`',
          },
        ]),
  ]
}

/** A run of every story, under which every drill counts as run: no drill of a few may be called so. */
const WHOLE_REPERTOIRE = 'everything'

/** A rehearsal that has nothing to open would only ever fail. */
function drillsCanRun({ drills, targets }: Config): ReferenceProblem[] {
  const index = drills.findIndex(({ name }) => nameKey(name) === WHOLE_REPERTOIRE)
  const message = `"${WHOLE_REPERTOIRE}" is what a drill of every story is called`
  if (index >= 0) return [{ path: ['drills', index, 'name'], message, hint: 'choose another name' }]
  if (drills.length === 0 || targets.some(({ canary }) => canary === true)) return []
  return [{ path: ['drills'], message: 'there is no target with `canary: true`, and drills open nothing else' }]
}

const MAX_LISTED = 8

function listed(names: ReadonlySet<string>): { hint?: string } {
  return names.size === 0 || names.size > MAX_LISTED ? {} : { hint: `there is ${[...names].join(', ')}` }
}
