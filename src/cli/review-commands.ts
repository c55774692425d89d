// reviews, review: what waits to be looked at, everything there is to judge by, and the verdict.

import type { Command } from 'commander'
import type { Review, Verdict } from '../access/grant.ts'
import type { ReviewFigures, ReviewStatistics } from '../access/review-statistics.ts'
import { HalliganError } from '../errors.ts'
import { freshMs } from '../procedure/mfa.ts'
import { countReviews, reopenReview, review, reviewCase, reviewQueue, type ReviewCase } from '../procedure/review.ts'
import { reviewText, standingText } from './review-text.ts'
import { joined, print, requireCode, type RunWith } from './run.ts'
import { span, table } from './table.ts'

type ReviewRun = RunWith<'clock' | 'review' | 'mfa' | 'sshHint'>

const DAY_MS = 24 * 3_600_000

/** Statistics look back this far. */
const COUNTED_DAYS = 90

type Answer = Review['checklist'][number]['answer']

const verdicts: readonly Verdict[] = ['emergency', 'mistake', 'misuse']
const answers: ReadonlyMap<string, Answer> = new Map([
  ['yes', 'yes'],
  ['y', 'yes'],
  ['no', 'no'],
  ['n', 'no'],
  ['n/a', 'n/a'],
  ['na', 'n/a'],
  ['-', 'n/a'],
])

export function addReviewCommands(root: Command, run: ReviewRun): void {
  const gather = (value: string, before: readonly string[]): readonly string[] => [...before, value]
  root
    .command('reviews')
    .description('what waits for review, the most urgent first')
    .option('--all', 'what was reviewed as well')
    .option('--statistics', `how reviewing went over the last ${COUNTED_DAYS} days`)
    .option('--json', 'as JSON')
    .action((options: ListOptions) => reviews(run, options))
  root
    .command('review')
    .description('one review: what was done and why; with --verdict: judge it')
    .argument('<grant>')
    .option('--verdict <verdict>', 'emergency, mistake or misuse')
    .option('--findings <text...>', 'what was found; needed for mistake and misuse', joined)
    .option('--follow-up <text>', 'what is to be done about it; may be given several times', gather, [])
    .option('--answer <number=answer>', 'a question of the checklist, such as 1=yes, 2=no, 3=n/a', gather, [])
    .option('--reopen', 'take a verdict back, with --reason')
    .option('--reason <text...>', 'why it is re-opened', joined)
    .option('--json', 'as JSON')
    .action((id: string, options: ReviewOptions) => one(run, id, options))
}

interface ListOptions {
  readonly all?: boolean
  readonly statistics?: boolean
  readonly json?: boolean
}

interface ReviewOptions {
  readonly verdict?: string
  readonly findings?: string
  readonly followUp: readonly string[]
  readonly answer: readonly string[]
  readonly reopen?: boolean
  readonly reason?: string
  readonly json?: boolean
}

async function reviews(run: ReviewRun, options: ListOptions): Promise<void> {
  const { clock, review: ports } = run.ports
  const { user } = run.caller.identity
  if (options.statistics === true) return statistics(run, options.json)
  const queue = await reviewQueue(ports, user, { all: options.all === true })
  const now = clock.now()
  const rows = queue.map(({ grant, standing, reviewers, may }) => [
    grant.id,
    grant.user,
    `${grant.account}@${grant.target}`,
    standingText(grant, standing, now),
    may.decide ? 'you' : reviewers.slice(0, 3).join(', ') || '(nobody)',
    grant.trigger,
    grant.reason,
  ])
  const none = options.all === true ? 'no review yet' : 'nothing waits for review'
  print(run, options.json, queue, table(['GRANT', 'WHO', 'ACCESS', 'REVIEW', 'BY', 'TRIGGER', 'REASON'], rows, none))
}

async function statistics(run: ReviewRun, json: boolean | undefined): Promise<void> {
  const { clock, review: ports } = run.ports
  const { name, roles } = run.caller.identity.user
  if (!roles.some((role) => role === 'reviewer' || role === 'admin' || role === 'auditor'))
    throw new HalliganError('denied', `${name} has none of the roles reviewer, admin, auditor`)
  const counted = await countReviews(ports, clock.now() - COUNTED_DAYS * DAY_MS)
  print(run, json, { days: COUNTED_DAYS, ...counted }, statisticsText(counted))
}

function statisticsText(counted: ReviewStatistics): string {
  const row = (name: string, figures: ReviewFigures) => [
    name,
    String(figures.reviewed),
    String(figures.onTime),
    figures.medianMs === null ? '' : span(figures.medianMs),
    ...verdicts.map((verdict) => String(figures.byVerdict[verdict])),
  ]
  const rows = [
    row('all', counted),
    ...counted.perPolicy.map((each) => row(`policy ${each.policy}`, each)),
    ...counted.perReviewer.map((each) => row(`by ${each.reviewer}`, each)),
  ]
  const head = ['', 'REVIEWED', 'ON TIME', 'MEDIAN', ...verdicts.map((verdict) => verdict.toUpperCase())]
  const { waiting, overdue, reopened } = counted
  return `${table(head, rows, '')}waiting ${waiting}, overdue ${overdue}, re-opened ${reopened}\n`
}

async function one(run: ReviewRun, id: string, options: ReviewOptions): Promise<void> {
  const { review: ports } = run.ports
  const { user } = run.caller.identity
  if (options.reopen === true) return reopen(run, id, options)
  const found = await reviewCase(ports, user, id)
  const isJudged =
    options.verdict !== undefined ||
    options.findings !== undefined ||
    options.answer.length > 0 ||
    options.followUp.length > 0
  if (!isJudged) {
    print(run, options.json, found, reviewText(found, run.ports.clock.now(), hints(run, found)))
    return
  }
  await judge(run, found, options)
}

async function judge(run: ReviewRun, found: ReviewCase, options: ReviewOptions): Promise<void> {
  const { grant, obstacle } = found
  // What cannot be decided is not asked about.
  if (obstacle !== null) throw new HalliganError(obstacle.code, obstacle.message, { hint: hintOf(run, found) })
  const verdict = await verdictOf(run, options.verdict)
  const checklist = await answersTo(run, found.questions, options.answer)
  const findings = options.findings ?? (verdict === 'emergency' ? '' : await asked(run, 'Findings: ', '--findings'))
  const judgement = { verdict, findings, followUps: options.followUp, checklist }
  await requireCode(run, freshMs)
  const reviewed = await review(run.ports.review, run.caller.identity.user, grant.id, judgement)
  const text = `grant ${grant.id} is reviewed: ${verdict}\nstatement ${reviewed.review?.statement ?? ''} (Halligan's)\n`
  print(run, options.json, reviewed, text)
}

async function reopen(run: ReviewRun, id: string, options: ReviewOptions): Promise<void> {
  const reason = (options.reason ?? (await asked(run, 'Reason: ', '--reason'))).trim()
  if (reason.length < 3) throw new HalliganError('usage', 'say why, in at least 3 characters')
  if (reason.length > 500 || /\p{C}/u.test(reason))
    throw new HalliganError('usage', 'the reason: one plain line of at most 500 characters')
  await requireCode(run, freshMs)
  const grant = await reopenReview(run.ports.review, run.caller.identity.user, id, reason)
  print(run, options.json, grant, `the review of grant ${id} is open again\n`)
}

async function verdictOf(run: ReviewRun, given: string | undefined): Promise<Verdict> {
  const text = (given ?? (await asked(run, `Verdict (${verdicts.join(', ')}): `, '--verdict'))).trim()
  const verdict = verdicts.find((each) => each === text)
  if (verdict !== undefined) return verdict
  throw new HalliganError('usage', `${JSON.stringify(text.slice(0, 32))} is no verdict`, {
    hint: `one of ${verdicts.join(', ')}`,
  })
}

async function answersTo(
  run: ReviewRun,
  questions: readonly string[],
  given: readonly string[],
): Promise<Review['checklist']> {
  const known = new Map<number, Answer>()
  for (const text of given) {
    const [, number, word] = /^(\d{1,3})=(.{1,8})$/.exec(text.trim()) ?? []
    const answer = answers.get((word ?? '').toLowerCase())
    if (answer === undefined || questions[Number(number) - 1] === undefined)
      throw new HalliganError('usage', `${JSON.stringify(text.slice(0, 32))} answers no question`, {
        hint: `write --answer 1=yes, with a number from 1 to ${questions.length} and yes, no or n/a`,
      })
    known.set(Number(number), answer)
  }
  const checklist: Review['checklist'][number][] = []
  for (const [index, question] of questions.entries()) {
    const answer = known.get(index + 1) ?? (await askQuestion(run, question, index, questions.length))
    checklist.push({ question, answer })
  }
  return checklist
}

/** Times a question is asked again when the answer is none. */
const TRIES = 3

async function askQuestion(run: ReviewRun, question: string, index: number, count: number): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    const line = await asked(run, `${index + 1}/${count} ${question} [yes, no, n/a] `, `--answer ${index + 1}=yes`)
    const answer = answers.get(line.trim().toLowerCase())
    if (answer !== undefined) return answer
    if (tries === TRIES) throw new HalliganError('usage', `question ${index + 1} is not answered`)
  }
}

async function asked(run: ReviewRun, prompt: string, option: string): Promise<string> {
  const line = await run.io.ask(prompt)
  if (line === undefined)
    throw new HalliganError('usage', 'the review is not complete, and nobody is there to ask', {
      hint: `give it on the command line: ${option}`,
    })
  return line
}

/** What to do next, where something keeps the person from deciding. */
function hintOf(run: ReviewRun, { obstacle, sessions }: ReviewCase): string | undefined {
  const isUnopened = sessions.some(({ evidence }) => evidence.share === 0 && evidence.damage === null)
  const { name } = run.caller.identity.user
  return obstacle?.code === 'denied' && isUnopened && obstacle.hint !== undefined
    ? `${obstacle.hint}: ssh ${name}@${run.ports.sshHint} web`
    : obstacle?.hint
}

function hints(run: ReviewRun, found: ReviewCase): readonly string[] {
  const { grant, may, obstacle, questions } = found
  const { name } = run.caller.identity.user
  const lines = [`watch the recordings in the page: ssh ${name}@${run.ports.sshHint} web`]
  if (may.decide && obstacle === null)
    lines.push(`judge it: review ${grant.id} --verdict emergency --answer 1=yes … --answer ${questions.length}=no`)
  else if (obstacle !== null && grant.state !== 'reviewed') lines.push(`you cannot decide yet: ${obstacle.message}`)
  if (may.reopen) lines.push(`take the verdict back: review ${grant.id} --reopen --reason "..."`)
  return lines
}
