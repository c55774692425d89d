// What a request has to state: the emergency (trigger), why (reason) and, where the policy asks for it, which incident.
// An id inside the reason counts: at 3 a.m. one line is enough.

import { isBoundedFor } from './pattern.ts'
import type { Policy } from './policy.ts'

/** Longer reasons are an attack on prompts, alerts and patterns, not an explanation. */
export const MAX_REASON_LENGTH = 1000

/** Tickets have short names; a bound keeps a slow pattern from being fed. */
export const MAX_INCIDENT_LENGTH = 100

/** What is stated is shown in prompts, alerts and recordings: one line, nothing that moves a cursor, hides or reorders. */
const HIDDEN = /[\p{C}\u2028\u2029]/u

export type MissingStatement = 'trigger' | 'reason' | 'incident'

export interface Statement {
  /** The trigger named, or the only one there is; null while it is missing. */
  readonly trigger: string | null
  readonly reason: string
  /** The incident named or found in the reason; null where there is none. */
  readonly incident: string | null
  /** In the order of the prompts; empty when all is said. */
  readonly missing: readonly MissingStatement[]
  /** What is missing, for people; empty when all is said. */
  readonly message: string
}

export interface Stated {
  readonly trigger?: string | undefined
  readonly reason?: string | undefined
  readonly incident?: string | undefined
}

/** Reads what a request states under a policy. Pure; the same input gives the same statement. */
export function statementOf(policy: Policy, stated: Stated): Statement {
  const problems: [MissingStatement, string][] = []
  const trigger = triggerOf(policy, stated.trigger)
  if (trigger === null) problems.push(['trigger', triggerProblem(policy, stated.trigger)])
  const reason = (stated.reason ?? '').trim()
  const reasonFault = reasonProblem(policy, reason)
  if (reasonFault !== undefined) problems.push(['reason', reasonFault])
  const incident = incidentOf(policy, reason, stated.incident)
  if (incident === undefined) problems.push(['incident', incidentProblem(policy, stated.incident)])
  return {
    trigger,
    reason,
    incident: incident ?? null,
    missing: problems.map(([what]) => what),
    message: problems.map(([, message]) => message).join('; '),
  }
}

function triggerOf(policy: Policy, stated: string | undefined): string | null {
  const [only, ...others] = policy.triggers
  if (stated === undefined) return others.length === 0 ? (only?.name ?? null) : null
  return policy.triggers.find(({ name }) => name === stated)?.name ?? null
}

function triggerProblem(policy: Policy, stated: string | undefined): string {
  const names = policy.triggers.map(({ name }) => name).join(', ')
  return stated === undefined ? `say which trigger: ${names}` : `that is none of the triggers: ${names}`
}

function reasonProblem(policy: Policy, reason: string): string | undefined {
  // Never less than one, so that no policy admits silence.
  const { length } = reason
  const least = Math.max(1, policy.reason.minLength)
  if (length < least) return `say why, in at least ${least} characters (${length} so far)`
  if (length > MAX_REASON_LENGTH) return `say why in at most ${MAX_REASON_LENGTH} characters (${length} so far)`
  if (HIDDEN.test(reason)) return 'say why in one line, without control characters'
  return undefined
}

/** Null: none and none needed. Undefined: one is needed, or the one named is not of the pattern. */
function incidentOf(policy: Policy, reason: string, stated: string | undefined): string | null | undefined {
  const rule = policy.reason.incident
  const named = stated?.trim()
  if (rule === null) return named === undefined || named === '' ? null : bounded(named)
  const pattern = new RegExp(rule.pattern, 'u')
  if (named !== undefined && named !== '') return named.length > MAX_INCIDENT_LENGTH ? undefined : found(pattern, named)
  const inReason = reason.length > MAX_REASON_LENGTH ? undefined : incidentIn(pattern, reason)
  return inReason ?? (rule.required ? undefined : null)
}

/**
 * The first word of the reason that is an incident. A pattern anchored with ^ and $ is meant for the id alone, so each
 * word is tried by itself, without the punctuation around it; then the reason as a whole, for ids that hold a space.
 */
function incidentIn(pattern: RegExp, reason: string): string | undefined {
  for (const word of reason.split(/\s+/u)) {
    const bare = word.replace(/^[([{<"'#]+|[)\]}>"'.,;:!?]+$/gu, '')
    const id = word.length > MAX_INCIDENT_LENGTH ? undefined : (found(pattern, word) ?? found(pattern, bare))
    if (id !== undefined) return id
  }
  return isBoundedFor(pattern.source, reason.length) ? found(pattern, reason) : undefined
}

function found(pattern: RegExp, text: string): string | undefined {
  const id = pattern.exec(text)?.[0]
  return id === undefined || id === '' ? undefined : bounded(id)
}

function bounded(named: string): string | undefined {
  return named.length > MAX_INCIDENT_LENGTH || HIDDEN.test(named) ? undefined : named
}

function incidentProblem(policy: Policy, stated: string | undefined): string {
  const pattern = policy.reason.incident?.pattern
  if (pattern === undefined) return `name the incident in at most ${MAX_INCIDENT_LENGTH} plain characters`
  return stated === undefined ? `name the incident (${pattern})` : `that is no incident (${pattern})`
}
