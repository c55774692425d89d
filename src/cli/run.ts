// What every command is given, and what all of them do: ask for a code, print.

import type { Clock } from '../clock.ts'
import type { Policy } from '../access/policy.ts'
import { HalliganError } from '../errors.ts'
import type { Access } from '../procedure/access.ts'
import type { ApprovalWaits } from '../procedure/approval-waits.ts'
import type { VouchPorts } from '../procedure/bypass.ts'
import type { Caller, CommandIo } from '../procedure/command.ts'
import type { CodeUse } from '../procedure/contract.ts'
import type { ExplanationPorts } from '../procedure/explanation.ts'
import type { LockPorts } from '../procedure/lock.ts'
import type { DrillContract } from '../procedure/drill.ts'
import type { Mfa } from '../procedure/mfa.ts'
import type { OfferPorts } from '../procedure/offer.ts'
import type { Reports } from '../procedure/report.ts'
import type { AlertPorts } from '../procedure/retry-alerts.ts'
import type { ReviewPorts } from '../procedure/review.ts'
import type { SearchPorts } from '../procedure/search.ts'
import type { Secrets } from '../procedure/secrets.ts'
import type { DecisionPorts } from '../procedure/waiting.ts'
import type { State } from '../session/state.ts'

export interface CommandPorts {
  readonly clock: Clock
  readonly access: Access
  readonly mfa: Mfa
  readonly secrets: Secrets
  readonly state: State
  readonly review: ReviewPorts
  readonly explanation: ExplanationPorts
  readonly alerts: AlertPorts
  readonly reports: Pick<Reports, 'of'>
  readonly search: SearchPorts
  /** Null where nothing is rehearsed. */
  readonly drills: DrillContract | null
  readonly end: DecisionPorts & LockPorts
  readonly vouch: VouchPorts
  readonly offers: OfferPorts
  /** How many connections of one person wait for an approval: one pool with the sessions that wait. */
  readonly waits: ApprovalWaits
  /** A one-time sign-in link for this person and address; null where no page is served. */
  readonly issueLink: ((user: string, address: string) => Promise<string>) | null
  /** Where psql finds Halligan; null where no PostgreSQL port is served. */
  readonly postgres: { readonly host: string; readonly port: number } | null
  /** PEM file of the bastion's PostgreSQL CA, for verify-full. */
  readonly postgresCaFile: string | null
  /** How users reach the ssh port, for hints: `bastion` or `-p 2222 bastion`. */
  readonly sshHint: string
}

/** One command's surroundings. */
export interface Run {
  readonly ports: CommandPorts
  readonly caller: Caller
  readonly io: CommandIo
  /** Set by a command that ends with another status than 0. */
  exit: number
}

/** The surroundings of a command that needs no more than these ports. */
export type RunWith<Ports extends keyof CommandPorts> = Omit<Run, 'ports'> & {
  readonly ports: Pick<CommandPorts, Ports>
}

/** Asks for a code unless one given within `withinMs` counts. Throws what the second factor refuses with. */
export async function requireCode(run: RunWith<'mfa'>, withinMs: number): Promise<void> {
  const { mfa } = run.ports
  const { identity } = run.caller
  if (mfa.counts(identity, withinMs)) return
  await askCode(run, { kind: 'fresh' })
}

/** Asks for what breaks the glass under this rule unless it has been given: a voucher's code does as well. */
export async function requireOpener(run: Run, rule: Policy['mfa']): Promise<void> {
  if ((await run.ports.mfa.opener(run.caller.identity, rule)) !== undefined) return
  await askCode(run, { kind: 'grant', methods: rule.methods })
}

/** Asks for a code, a few times. Throws what the second factor refuses with. */
export async function askCode(run: RunWith<'mfa'>, use: CodeUse): Promise<void> {
  const { mfa } = run.ports
  const { identity } = run.caller
  for (let attempt = 1; ; attempt++) {
    const code = await run.io.ask('Code: ', { echo: false })
    if (code === undefined)
      throw new HalliganError('mfa_required', 'this needs your second factor', {
        hint: 'run it from a terminal and type your code',
      })
    const outcome = await mfa.verify(identity, code, use)
    if (outcome.kind === 'passed') return
    if (attempt === 3 || outcome.error.code !== 'code_wrong') throw outcome.error
    run.io.stderr(`halligan: ${outcome.error.describe()}\n`)
  }
}

/**
 * For options that take a text: `ssh` joins its arguments with spaces, so the quotes that somebody typed around a reason
 * are gone when it arrives. Declared as `--reason <text...>`, it takes every word up to the next option.
 */
export function joined(word: string, before: string | undefined): string {
  return before === undefined || before === '' ? word : `${before} ${word}`
}

/** Writes `value` as JSON with `--json`, else the text. */
export function print(
  run: { readonly io: Pick<CommandIo, 'stdout'> },
  json: boolean | undefined,
  value: unknown,
  text: string,
): void {
  run.io.stdout(json === true ? `${JSON.stringify(value)}\n` : text)
}
