// Explanations and simulations as text: plain ASCII columns, for terminals and pipes.

import { formatDuration } from '../access/duration.ts'
import type { ClauseOutcome, Explanation } from '../access/explain.ts'
import type { Simulation } from '../procedure/explanation.ts'
import { printable, table } from './table.ts'

const MARKS: Readonly<Record<ClauseOutcome, string>> = { passed: 'yes', failed: 'NO', open: 'open' }

/** What is answered, then each policy with its clauses: the chosen one first. */
export function explanationText(explanation: Explanation): string {
  const { user, target, address, at, message, hint, policies } = explanation
  const sorted = [...policies].sort((left, right) => Number(right.isChosen) - Number(left.isChosen))
  return [
    `${printable(user)} on ${printable(target)} at ${new Date(at).toISOString()} from ${printable(address)}\n`,
    `${printable(message)}\n`,
    ...(hint === null ? [] : [`hint: ${printable(hint)}\n`]),
    ...sorted.map(({ policy, isChosen, because, clauses }) => {
      const head = `\n${isChosen ? '*' : ' '} ${policy}${because === null ? '' : `: ${printable(because)}`}\n`
      const rows = clauses.map(({ clause, outcome, detail }) => [`    ${clause}`, MARKS[outcome], detail])
      return `${head}${table(['    CLAUSE', '', ''], rows, '')}`
    }),
  ].join('')
}

/** One line for each person, target and account. */
export function simulationText({ at, address, rows, isCut }: Simulation): string {
  const lines = rows.map(({ user, target, account, policy, required, durationMs }) => [
    user,
    `${account}@${target}`,
    required === 0 ? 'at once' : `with ${required} ${required === 1 ? 'approval' : 'approvals'}`,
    formatDuration(durationMs),
    policy,
  ])
  const body = table(['USER', 'ACCESS', 'HOW', 'FOR', 'POLICY'], lines, 'nobody could get anything')
  const more = isCut ? 'and more: narrow it with --user or --target\n' : ''
  return `at ${new Date(at).toISOString()} from ${printable(address)}\n${body}${more}`
}
