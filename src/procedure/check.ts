// Questions put to something outside before access is given: is the incident open, is the person on call? `incident/`
// asks them; here they are bounded in time, weighed by what the policy says, and written down.

import type { CheckRecord } from '../access/grant.ts'
import type { CheckRule } from '../access/policy.ts'
import type { AuditEvent } from '../audit.ts'
import type { Clock, Timer } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { sessionLog } from '../log.ts'

/** What is asked about. All of it but `incident` is known to Halligan; `incident` is what a person typed. */
export interface CheckQuestion {
  readonly user: string
  readonly target: string
  readonly account: string
  readonly trigger: string
  readonly incident: string | null
}

/** `detail` is one printable line that never holds a secret. Only `met` is a yes. */
export interface CheckAnswer {
  readonly outcome: 'met' | 'not-met' | 'error'
  readonly detail: string
}

/** One configured check. Never throws; whatever goes wrong is an `error`. */
export interface Check {
  readonly name: string
  /** Whoever asks gives up after this. */
  readonly timeoutMs: number
  ask(question: CheckQuestion, signal: AbortSignal): Promise<CheckAnswer>
}

/** A check's record, and whether the request goes on. */
export interface CheckResult {
  readonly record: CheckRecord
  readonly passed: boolean
}

/** What a line in a prompt, a banner and the ledger may take. */
const MAX_DETAIL_LENGTH = 200

/** Of one request: its trigger's and the on-call one, each named once; more is a mistake of ours. */
const MAX_CHECKS = 4

/**
 * Makes the checks at once, each within its own time, and gives their results in the order of the rules. A rule whose
 * check is not configured, a check that throws, lies about its type or does not answer: each is an `error`. Never throws.
 */
export async function makeChecks(
  ports: { readonly clock: Clock; readonly check: (name: string) => Check | undefined },
  rules: readonly CheckRule[],
  question: CheckQuestion,
): Promise<readonly CheckResult[]> {
  if (rules.length > MAX_CHECKS) throw new HalliganError('internal', `${rules.length} checks for one request`)
  return Promise.all(
    rules.map(async (rule) => {
      const { outcome, detail } = await askInTime(ports.clock, ports.check(rule.check), rule, question)
      const at = ports.clock.now()
      const record: CheckRecord = { check: rule.check, outcome, detail: oneLine(detail), onError: rule.onError, at }
      return { record, passed: outcome === 'met' || (outcome === 'error' && rule.onError === 'allow') }
    }),
  )
}

/** The leaf of a check that was made for a request. */
export function checkLeaf(result: CheckResult, of: { user: string; target: string; policy: string }): AuditEvent {
  const { check, outcome, detail } = result.record
  return { type: 'check-made', ...of, check, outcome, detail, passed: result.passed }
}

/** What was asked and what was found, in words, such as `incident-open says no: incident PX1 is resolved`. */
export function describeCheck({ check, outcome, detail }: CheckRecord): string {
  switch (outcome) {
    case 'met':
      return `${check} says yes: ${detail}`
    case 'not-met':
      return `${check} says no: ${detail}`
    case 'error':
      return `${check} could not be asked: ${detail}`
  }
}

/** For the alert of a grant: what was asked, in words; nothing where nothing was. */
export function checkFacts(checks: readonly CheckRecord[]): Readonly<Record<string, unknown>> {
  return checks.length === 0 ? {} : { checks: checks.map(describeCheck) }
}

async function askInTime(
  clock: Clock,
  check: Check | undefined,
  rule: CheckRule,
  question: CheckQuestion,
): Promise<CheckAnswer> {
  if (check === undefined) return { outcome: 'error', detail: `no check ${rule.check} is configured` }
  const patience = new AbortController()
  let timer: Timer | undefined
  const late = new Promise<CheckAnswer>((resolve) => {
    timer = clock.after(check.timeoutMs, () => {
      resolve({ outcome: 'error', detail: `no answer within ${check.timeoutMs} ms` })
      patience.abort()
    })
  })
  try {
    return await Promise.race([check.ask(question, patience.signal), late])
  } catch (error) {
    sessionLog.error('check.failed', { check: rule.check, error })
    return { outcome: 'error', detail: 'the check failed' }
  } finally {
    timer?.cancel()
  }
}

function oneLine(detail: string): string {
  const line = detail.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').trim()
  return line.length > MAX_DETAIL_LENGTH ? `${line.slice(0, MAX_DETAIL_LENGTH)}…` : line
}
