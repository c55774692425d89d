// The words of the keyboard-interactive rounds (design §6) and what the answers mean. Everything needed to decide stands
// in the prompt, in ASCII: clients hide or escape the instruction beside it. Pure.
import type { Decision } from '../access/decide.ts'
import type { GrantAsk } from '../procedure/contract.ts'
import { ascii } from './banner.ts'

/** One question; `echo` off hides what is typed. */
export interface Prompt {
  readonly prompt: string
  readonly echo: boolean
}

/** The first round asks this and nothing else, whatever the login named. */
export function codePrompt(complaint?: string): Prompt[] {
  return [{ prompt: `${complaint === undefined ? '' : `${ascii(complaint)}\n`}Code: `, echo: false }]
}

type Incomplete = Extract<Decision, { kind: 'incomplete' }>

/**
 * Round 2: what breaking the glass means, then only what the decision still misses. `complaint`: what was wrong with the
 * last answers; `note`: why it is stricter than usual; `details`:
 * what it would become.
 */
export function breakGlassPrompts(
  decision: Incomplete,
  target: string,
  say: {
    readonly complaint?: string | undefined
    readonly note?: string | undefined
    readonly details?: readonly string[]
  } = {},
): Prompt[] {
  const open = openQuestions(decision)
  const before = say.complaint === undefined ? [] : [say.complaint]
  const details = (say.details ?? []).map((line) => `  ${line}`)
  const after = [...details, ...(say.note === undefined ? [] : [say.note])]
  const head = [...before, breakGlassLine(decision, target), ...after].map(ascii).join('\n')
  return open.map((question, index) => ({
    prompt: index === 0 ? `${head}\n${question.text}` : question.text,
    echo: true,
  }))
}

/** `Break the glass on web-1 for 30m? Self-activation, everyone is told.` */
export function breakGlassLine(decision: Incomplete, target: string): string {
  const how =
    decision.required === 0
      ? 'Self-activation, everyone is told.'
      : `Needs ${decision.required} approval${decision.required === 1 ? '' : 's'}, everyone is told.`
  const account = decision.policy.accounts[0] === decision.account ? '' : ` as ${decision.account}`
  return `Break the glass on ${target}${account} for ${duration(decision.durationMs)}? ${how}`
}

/** `30m`, `2h`, `1h30m` */
export function duration(ms: number): string {
  const minutes = Math.max(1, Math.round(ms / 60_000))
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60]
  return `${hours > 0 ? `${hours}h` : ''}${rest > 0 || hours === 0 ? `${rest}m` : ''}`
}

/** What the answers to `breakGlassPrompts` ask for, on top of `ask`; undefined: nothing was typed at all. */
export function readAnswers(decision: Incomplete, answers: readonly string[], ask: GrantAsk): GrantAsk | undefined {
  const given = openQuestions(decision).map(({ field }, index) => ({ field, text: (answers[index] ?? '').trim() }))
  if (given.every(({ text }) => text === '')) return undefined
  const of = (field: 'trigger' | 'reason' | 'incident') => given.find((answer) => answer.field === field)?.text
  const trigger = triggerOf(decision, of('trigger'))
  const [reason, incident] = [of('reason'), of('incident')]
  return {
    ...ask,
    ...(trigger === undefined ? {} : { trigger }),
    ...(reason === undefined ? {} : { reason }),
    ...(incident === undefined ? {} : { incident }),
  }
}

function openQuestions(decision: Incomplete): { field: 'trigger' | 'reason' | 'incident'; text: string }[] {
  const triggers = decision.policy.triggers.map(({ name }, index) => `${index + 1} ${ascii(name)}`)
  const isIncidentAlone = decision.missing.includes('incident') && !decision.missing.includes('reason')
  return [
    ...(decision.missing.includes('trigger') && triggers.length > 1
      ? [{ field: 'trigger' as const, text: `Trigger (${triggers.join(', ')}) [1]: ` }]
      : []),
    // The reason may contain the incident's id: one line to type.
    ...(decision.missing.includes('reason') ? [{ field: 'reason' as const, text: 'Reason: ' }] : []),
    ...(isIncidentAlone ? [{ field: 'incident' as const, text: 'Incident: ' }] : []),
  ]
}

/** A number or a name; nothing typed is the first. What fits neither is passed on, to be refused with its name. */
function triggerOf(decision: Incomplete, typed: string | undefined): string | undefined {
  if (typed === undefined || typed === '') return decision.policy.triggers[0]?.name
  return decision.policy.triggers[Number(typed) - 1]?.name ?? typed
}
