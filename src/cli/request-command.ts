// request: breaking the glass from a command. What it would give is shown before it is given; what it asks goes to stderr,
// what it gives to stdout.

import type { Command } from 'commander'
import { formatDuration, parseDurationMs } from '../access/duration.ts'
import type { Decision } from '../access/decide.ts'
import type { Grant } from '../access/grant.ts'
import { errorCodes, HalliganError } from '../errors.ts'
import { override } from '../procedure/approve.ts'
import type { GrantAsk } from '../procedure/contract.ts'
import { freshMs } from '../procedure/mfa.ts'
import { offerFor, offerLines, type Offer } from '../procedure/offer.ts'
import { waitingLine, waitingOn, type Waiting } from '../procedure/waiting.ts'
import { joined, print, requireCode, requireOpener, type Run } from './run.ts'
import { clockTime, printable, span } from './table.ts'

/** How often a waiting `request --wait` looks whether it has been decided. */
const WAIT_POLL_MS = 1_000

/** Between two signs of life while nothing happens. */
const PROGRESS_MS = 30_000

/** Rounds of questions: trigger, reason and incident once each, and once again where an answer does not do. */
const MAX_ROUNDS = 6

interface RequestOptions {
  readonly account?: string
  readonly reason?: string
  readonly trigger?: string
  readonly incident?: string
  readonly for?: string
  readonly policy?: string
  readonly override?: boolean
  readonly preview?: boolean
  readonly wait?: boolean
  readonly json?: boolean
}

export function addRequestCommand(root: Command, run: Run): void {
  root
    .command('request')
    .description('break the glass: ask for a grant')
    .argument('[target]', 'the target; the one your login named when left out')
    .option('--account <name>', 'login or role on the target')
    .option('--reason <text...>', 'why, for the people who are told', joined)
    .option('--trigger <name>', 'the named emergency')
    .option('--incident <id>', 'incident reference')
    .option('--for <duration>', 'how long, such as 30m')
    .option('--policy <name>', 'the policy, where several match')
    .option('--preview', 'show what you would get, and ask for nothing')
    .option('--override', 'nobody answered: go ahead after the policy allows it, with a longer reason')
    .option('--wait', 'wait until the request is decided')
    .option('--json', 'as JSON')
    .action((target: string | undefined, options: RequestOptions) => request(run, target, options))
}

async function request(run: Run, named: string | undefined, options: RequestOptions): Promise<void> {
  const target = named ?? run.caller.target
  if (target === undefined) throw new HalliganError('usage', 'which target?', { hint: 'see: targets' })
  const durationMs = options.for === undefined ? undefined : parseDurationMs(options.for)
  if (options.for !== undefined && durationMs === undefined)
    throw new HalliganError('usage', `${options.for} is no duration`, { hint: 'write 45m, 2h or 1h30m' })
  const { account = run.caller.account, reason, trigger, incident, policy } = options
  if (options.override === true) return overrideRequest(run, target, account, reason, options.json)
  const ask: GrantAsk = { target, account, reason, trigger, incident, policy, durationMs }
  if (options.preview === true) return preview(run, ask, options.json)
  const grant = await breakGlass(run, ask)
  await report(run, options.wait === true ? await decided(run, grant) : grant, options.json)
}

async function preview(run: Run, ask: GrantAsk, json: boolean | undefined): Promise<void> {
  const offer = await offerFor(run.ports.offers, run.caller.identity, ask)
  print(run, json, offer, `${[...offerLines(offer), ...notesOf(offer)].map(printable).join('\n')}\n`)
  if (offer.kind === 'deny') run.exit = errorCodes.denied.exit
}

/**
 * Shows what a request would become, asks on stderr for what is still open, and requests the grant. At end of file:
 * `denied` with the whole command to run.
 */
export async function breakGlass(run: Run, ask: GrantAsk): Promise<Grant> {
  const { access, offers } = run.ports
  const { identity } = run.caller
  let open = ask
  let hasShown = false
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const decision = await access.offer(identity, open)
    // Somebody at a terminal sees it in any case; a script that says everything has decided already.
    if (!hasShown && decision.kind !== 'deny' && (decision.kind === 'incomplete' || run.io.isTerminal)) {
      hasShown = true
      const offer = await offerFor(offers, identity, open)
      const lines = [...offerLines(offer), ...notesOf(offer)].map((line) => `  ${printable(line)}\n`)
      run.io.stderr(`${headline(open.target, decision)}\n${lines.join('')}`)
    }
    if (decision.kind !== 'incomplete') break
    if (round > 0 && isTold(open, decision)) run.io.stderr(`halligan: ${decision.message}\n`)
    open = await fill(run, open, decision)
  }
  const decision = await access.offer(identity, open)
  if (decision.kind !== 'deny') await requireOpener(run, decision.policy.mfa)
  return access.request(identity, open)
}

function notesOf(offer: Offer): string[] {
  return offer.kind === 'deny' || offer.note === null ? [] : [`note: ${offer.note}`]
}

/** `Break the glass on deploy@web-1 for 30m? Self-activation, everyone is told.` */
export function headline(target: string, decision: Exclude<Decision, { kind: 'deny' }>): string {
  const required = decision.kind === 'allow' ? 0 : decision.required
  const how =
    required === 0
      ? 'Self-activation: nobody approves it, and EVERYONE IS TOLD at once.'
      : `It waits for ${required} approval${required === 1 ? '' : 's'}, and everyone is told.`
  return `Break the glass on ${decision.account}@${printable(target)} for ${formatDuration(decision.durationMs)}? ${how}`
}

/** True when what is asked for next has been answered before, and the answer did not do. */
function isTold(ask: GrantAsk, { missing }: Extract<Decision, { kind: 'incomplete' }>): boolean {
  const [next] = missing
  return next !== undefined && ask[next] !== undefined
}

async function fill(run: Run, ask: GrantAsk, decision: Extract<Decision, { kind: 'incomplete' }>): Promise<GrantAsk> {
  const missing = decision.missing[0]
  const triggers = decision.policy.triggers.map((trigger) => trigger.name)
  const prompt =
    missing === 'trigger'
      ? `Trigger (${triggers.map((name, at) => `${at + 1} ${name}`).join(', ')}) [1]: `
      : missing === 'incident'
        ? 'Incident: '
        : 'Reason: '
  const line = await run.io.ask(prompt)
  if (line === undefined)
    throw new HalliganError('denied', decision.message, {
      hint: `give it on the command line: request ${ask.target} --trigger ${triggers[0] ?? 'NAME'} --reason "..."`,
    })
  if (missing === 'trigger') return { ...ask, trigger: triggers[Number(line.trim() || '1') - 1] ?? line.trim() }
  return missing === 'incident' ? { ...ask, incident: line.trim() } : { ...ask, reason: line.trim() }
}

async function overrideRequest(
  run: Run,
  target: string,
  account: string | undefined,
  reason: string | undefined,
  json: boolean | undefined,
): Promise<void> {
  const mine = await run.ports.state.grants({ user: run.caller.identity.user.name, states: ['requested'], limit: 100 })
  const waiting = mine.find((grant) => grant.target === target && (account ?? grant.account) === grant.account)
  if (waiting === undefined) throw new HalliganError('not_found', `no request of yours waits for ${target}`)
  const { overrideInMs, asked, need } = await waitingOn(run.ports.end, waiting)
  // Nobody types a code and a long reason for what cannot be done yet.
  if (overrideInMs === 0) {
    const skipped = asked.length === 0 ? 'nobody could approve it' : `${asked.join(', ')} are told that you did`
    run.io.stderr(`halligan: you go ahead alone; ${skipped}, with your reason (${need.rule})\n`)
    await requireCode(run, freshMs)
  }
  const given = reason ?? (overrideInMs === 0 ? await run.io.ask('Longer reason: ') : undefined) ?? ''
  await report(run, await override(run.ports.end, run.caller.identity, waiting.id, given), json)
}

async function decided(run: Run, asked: Grant): Promise<Grant> {
  const { clock, state, end, waits } = run.ports
  if (asked.state !== 'requested') return asked
  const leave = waits.take(run.caller.identity.user.name)
  try {
    let grant = asked
    let said = ''
    let saidAt = 0
    while (grant.state === 'requested' && !run.io.signal.aborted) {
      const waiting = await waitingOn(end, grant)
      const news = newsOf(waiting)
      if (news !== said || clock.monotonicUs() - saidAt >= PROGRESS_MS * 1000) {
        said = news
        saidAt = clock.monotonicUs()
        run.io.stderr(`halligan: ${printable(waitingLine(waiting, clock.now()))}\n`)
      }
      await new Promise<void>((resolve) => clock.after(WAIT_POLL_MS, resolve))
      grant = (await state.grant(grant.id)) ?? grant
    }
    return grant
  } finally {
    leave()
  }
}

/** What of a waiting request is worth a line at once when it changes. */
function newsOf({ grant, asked, announcedAt, overrideInMs }: Waiting): string {
  return JSON.stringify([grant.approvals.length, asked, announcedAt === null, overrideInMs === 0])
}

async function report(run: Run, grant: Grant, json: boolean | undefined): Promise<void> {
  const waiting = grant.state === 'requested' ? await waitingOn(run.ports.end, grant) : undefined
  const shown =
    waiting === undefined
      ? grant
      : {
          ...grant,
          asked: waiting.asked,
          announcedAt: waiting.announcedAt,
          overrideInMs: waiting.overrideInMs,
          lapsesInMs: waiting.lapsesInMs,
        }
  const now = run.ports.clock.now()
  print(run, json, shown, `${sentence(grant, now)}\n${waiting === undefined ? '' : `${waitingLine(waiting, now)}\n`}`)
  if (grant.state === 'requested') run.exit = errorCodes.approval_pending.exit
  else if (grant.state !== 'active') run.exit = errorCodes.denied.exit
}

function sentence(grant: Grant, now: number): string {
  const what = `${grant.id}: ${grant.account}@${grant.target}`
  switch (grant.state) {
    case 'active': {
      const vouched = grant.vouchedBy === null ? '' : `, vouched for by ${grant.vouchedBy}`
      return `grant ${what}, ends ${clockTime(grant.expiresAt ?? 0)} (${span((grant.expiresAt ?? 0) - now)})${vouched}`
    }
    case 'requested':
      return `request ${what} waits for approval; run the same command again to see`
    case 'denied':
    case 'lapsed':
    case 'awaiting-review':
    case 'reviewed':
      return `grant ${what} is ${grant.state}`
  }
}
