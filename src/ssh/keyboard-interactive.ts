// The rounds of keyboard-interactive (RFC 4256) in the order of design §6: the code, then what breaking the glass needs
// to be told. How a round travels is handed in; what is asked and what becomes of the answers is here.
import { HalliganError, safeError } from '../errors.ts'
import type { Identity } from '../identity/user.ts'
import { sshLog } from '../log.ts'
import type { AccessContract, CodeUse, GrantAsk, MfaContract } from '../procedure/contract.ts'
import { breakGlassPrompts, codePrompt, type Prompt, readAnswers } from './prompt.ts'

/** Codes asked for in one exchange. */
const MAX_CODES = 3
/** Times the break-glass questions are asked again when the answers do not do. */
const MAX_STATEMENTS = 3

export interface RoundPorts {
  readonly access: AccessContract
  readonly mfa: MfaContract
  /** What a request would become, in plain lines: shown before it is confirmed. */
  readonly describe: (identity: Identity, ask: GrantAsk) => Promise<readonly string[]>
}

/** One round: the answers, or `gone` when the client began something else or went away. */
export type Ask = (prompts: readonly Prompt[]) => Promise<readonly string[] | 'gone'>

/** `done`: go on. `failed`: wrong codes. `refused`: why nothing typed here helps, to be said on the channel. */
export type RoundOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed' }
  | { readonly kind: 'refused'; readonly error: HalliganError }

/** Asks for the second factor, a few times. */
export async function askCode({ mfa }: RoundPorts, identity: Identity, ask: Ask, use: CodeUse): Promise<RoundOutcome> {
  let complaint: string | undefined
  let hasAnswered = false
  for (let asked = 0; asked < MAX_CODES; asked++) {
    const answers = await ask(codePrompt(complaint))
    if (answers === 'gone') return { kind: 'gone' }
    const outcome = await mfa.verify(identity, answers[0] ?? '', use)
    if (outcome.kind === 'passed') return { kind: 'done' }
    const { error } = outcome
    complaint = error.message
    if (error.code === 'mfa_required') {
      // Who cannot be asked answers with nothing again: say why on the channel instead of asking for ever.
      if (asked > 0 && !hasAnswered) return { kind: 'refused', error }
    } else if (error.code === 'code_wrong' || error.code === 'code_replayed') hasAnswered = true
    else return { kind: 'refused', error }
  }
  return { kind: 'failed' }
}

/** Asks what the decision misses, and breaks the glass. `done`: the grant is live, or waits for approval. */
export async function askStatement(
  { access, describe }: RoundPorts,
  identity: Identity,
  first: GrantAsk,
  ask: Ask,
): Promise<RoundOutcome> {
  const hint = `connect from a terminal, or run: ssh ${identity.user.name}@BASTION request ${first.target} --reason '...'`
  const refused = (code: 'usage' | 'no_grant', message: string): RoundOutcome => ({
    kind: 'refused',
    error: new HalliganError(code, message, { hint }),
  })
  let stated = first
  for (let asked = 0; ; asked++) {
    const decision = await access.offer(identity, stated)
    if (decision.kind !== 'incomplete') return requestGrant(access, identity, stated)
    if (asked === MAX_STATEMENTS) return refused('usage', decision.message)
    const complaint = asked === 0 ? undefined : decision.message
    const note = access.standingNote(identity, decision)
    const details = asked === 0 ? await describe(identity, stated) : []
    const answers = await ask(breakGlassPrompts(decision, first.target, { complaint, note, details }))
    if (answers === 'gone') return { kind: 'gone' }
    const next = readAnswers(decision, answers, stated)
    if (next === undefined)
      return refused('no_grant', `the glass on ${first.target} was not broken: nothing was answered`)
    stated = next
  }
}

/** Breaks the glass with what is stated. */
export async function requestGrant(access: AccessContract, identity: Identity, ask: GrantAsk): Promise<RoundOutcome> {
  try {
    await access.request(identity, ask)
    return { kind: 'done' }
  } catch (error) {
    if (!(error instanceof HalliganError)) sshLog.error('ssh.request-failed', { user: identity.user.name, error })
    return { kind: 'refused', error: safeError(error) }
  }
}
