// The closed list of verbs. What is not in this table cannot be said, and what only tests can do is refused in a drill
// before anything has happened: the running Halligan has no switch for it.

import { duration, name, oneOf, pattern, phrase, text, type Phrase } from './phrase.ts'
import { linkUses, places, players, refusals, type Action, type Attempted } from './step.ts'

export type WorldKind = 'test' | 'drill'

export interface Verb {
  /** As it is written, for whoever got it wrong. */
  readonly usage: string
  readonly fits: Phrase<Action>
  /** `test`: clock, disk, locks on everybody and broken channels exist in `npm test` only (design §10). */
  readonly worlds: 'both' | 'test'
  /** Whether a line `expect …` may follow. */
  readonly isAttempt: boolean
}

const who = oneOf(players)
const place = oneOf(places)

function attempt(usage: string, fits: Phrase<Action>, worlds: Verb['worlds'] = 'both'): Verb {
  return { usage, fits, worlds, isAttempt: true }
}

function happens(usage: string, fits: Phrase<Action>, worlds: Verb['worlds'] = 'both'): Verb {
  return { usage, fits, worlds, isAttempt: false }
}

const clients = ['ssh', 'psql'] as const
const client = oneOf(clients)

export const verbs: readonly Verb[] = [
  attempt(
    'WHO breaks the glass on PLACE because "REASON"',
    phrase([who, 'breaks the glass on', place, 'because', text], (w, p, reason) => {
      return { kind: 'break-glass', who: w, place: p, forMs: null, reason }
    }),
  ),
  attempt(
    'WHO breaks the glass on PLACE for DURATION because "REASON"',
    phrase([who, 'breaks the glass on', place, 'for', duration, 'because', text], (w, p, forMs, reason) => {
      return { kind: 'break-glass', who: w, place: p, forMs, reason }
    }),
  ),
  attempt(
    'WHO connects to PLACE',
    phrase([who, 'connects to', place], (w, p) => ({ kind: 'connect', who: w, place: p, with: 'its code' })),
  ),
  attempt(
    'WHO connects to PLACE with no code | a wrong code | a used code | a made-up secret',
    phrase(
      [
        who,
        'connects to',
        place,
        'with',
        oneOf(['no code', 'a wrong code', 'a used code', 'a made-up secret'] as const),
      ],
      (w, p, credential) => ({ kind: 'connect', who: w, place: p, with: credential }),
    ),
  ),
  attempt(
    'ssh|psql runs "COMMAND"',
    phrase([client, 'runs', text], (c, command) => ({ kind: 'run', client: c, command, prints: null })),
  ),
  attempt(
    'ssh|psql runs "COMMAND" and prints /PATTERN/',
    phrase([client, 'runs', text, 'and prints', pattern], (c, command, prints) => {
      return { kind: 'run', client: c, command, prints }
    }),
  ),
  attempt(
    'WHO approves|denies',
    phrase([who, oneOf(['approves', 'denies'] as const)], (w, how) => {
      return { kind: 'decide', who: w, how: how === 'approves' ? 'approve' : 'deny' }
    }),
  ),
  attempt(
    'WHO overrides because "REASON"',
    phrase([who, 'overrides because', text], (w, reason) => ({ kind: 'override', who: w, reason })),
  ),
  attempt(
    'WHO extends the grant because "REASON"',
    phrase([who, 'extends the grant because', text], (w, reason) => ({ kind: 'extend', who: w, reason })),
  ),
  attempt(
    'WHO gives the grant back',
    phrase([who, 'gives the grant back'], (w) => ({ kind: 'take-away', who: w, how: 'give back' })),
  ),
  attempt(
    'WHO revokes the grant',
    phrase([who, 'revokes the grant'], (w) => ({ kind: 'take-away', who: w, how: 'revoke' })),
  ),
  attempt(
    'WHO reviews the grant as emergency|mistake|misuse and finds "FINDINGS"',
    phrase(
      [who, 'reviews the grant as', oneOf(['emergency', 'mistake', 'misuse'] as const), 'and finds', text],
      (w, verdict, findings) => ({ kind: 'review', who: w, verdict, findings }),
    ),
  ),
  attempt(
    'WHO watches the recording',
    phrase([who, 'watches the recording'], (w) => ({ kind: 'watch', who: w })),
    'test',
  ),
  attempt(
    'WHO vouches for WHO because "REASON"',
    phrase([who, 'vouches for', who, 'because', text], (w, forWhom, reason) => {
      return { kind: 'vouch', who: w, forWhom, reason }
    }),
    'test',
  ),
  attempt(
    'WHO breaks the glass on PLACE with the vouched code because "REASON"',
    phrase([who, 'breaks the glass on', place, 'with the vouched code because', text], (w, p, reason) => {
      return { kind: 'bypass', who: w, place: p, reason }
    }),
    'test',
  ),
  attempt(
    'WHO rehearses "DRILL"',
    phrase([who, 'rehearses', text], (w, drill) => ({ kind: 'rehearse', who: w, drill })),
    'test',
  ),
  attempt(
    'WHO locks WHO|everything because "REASON"',
    phrase([who, 'locks', oneOf([...players, 'everything'] as const), 'because', text], (w, what, reason) => {
      return { kind: 'lock', who: w, what, reason }
    }),
    'test',
  ),
  attempt(
    'WHO unlocks WHO|everything because "REASON"',
    phrase([who, 'unlocks', oneOf([...players, 'everything'] as const), 'because', text], (w, what, reason) => {
      return { kind: 'unlock', who: w, what, reason }
    }),
    'test',
  ),
  attempt(
    `WHO approves by ${linkUses.join('|')}`,
    phrase([who, 'approves by', oneOf(linkUses)], (w, by) => ({ kind: 'follow-link', who: w, by })),
    'test',
  ),
  attempt(
    "a stranger approves by the alert's link",
    phrase(["a stranger approves by the alert's link"], () => ({ kind: 'stranger-follows-link' })),
    'test',
  ),
  attempt(
    'WHO breaks the glass on PLACE by two clicks at once because "REASON"',
    phrase([who, 'breaks the glass on', place, 'by two clicks at once because', text], (w, p, reason) => {
      return { kind: 'click-twice', who: w, place: p, reason }
    }),
    'test',
  ),
  attempt(
    'the configuration sends alerts|checks to "URL"',
    phrase(['the configuration sends', oneOf(['alerts', 'checks'] as const), 'to', text], (what, url) => {
      return { kind: 'point-at', what, url }
    }),
    'test',
  ),
  happens(
    'ssh|psql stays busy with "COMMAND"',
    phrase([client, 'stays busy with', text], (c, command) => ({ kind: 'stay-busy', client: c, command })),
  ),
  happens(
    "the grant's time runs out",
    phrase(["the grant's time runs out"], () => ({ kind: 'runs-out' })),
  ),
  happens(
    'every session ends within DURATION',
    phrase(['every session ends within', duration], (withinMs) => ({ kind: 'ended', withinMs })),
  ),
  happens(
    'every session goes on',
    phrase(['every session goes on'], () => ({ kind: 'still-running' })),
  ),
  happens(
    'the alert NAME is accepted within DURATION',
    phrase(['the alert', name, 'is accepted within', duration], (alert, withinMs) => {
      return { kind: 'alert', alert, withinMs }
    }),
  ),
  happens(
    'the ledger says LEAF',
    phrase(['the ledger says', name], (leaf) => ({ kind: 'ledger', leaf })),
  ),
  happens(
    'the recorder of the session fails',
    phrase(['the recorder of the session fails'], () => ({ kind: 'recorder-fails' })),
  ),
  happens(
    'the recording seals and verifies',
    phrase(['the recording seals and verifies'], () => ({ kind: 'sealed' })),
  ),
  happens(
    'the recording shows "TEXT"',
    phrase(['the recording shows', text], (shown) => ({ kind: 'shows', text: shown })),
  ),
  happens(
    'a copy of it with one byte changed is found',
    phrase(['a copy of it with one byte changed is found'], () => ({ kind: 'tampered' })),
  ),
  happens(
    'the session is marked unannounced',
    phrase(['the session is marked unannounced'], () => ({ kind: 'marked-unannounced' })),
  ),
  happens(
    'time passes DURATION',
    phrase(['time passes', duration], (byMs) => ({ kind: 'time', byMs })),
    'test',
  ),
  happens(
    'the disk is full',
    phrase(['the disk is full'], () => ({ kind: 'disk-full' })),
    'test',
  ),
  happens(
    'the alert channel is silent|back|redirecting inside',
    phrase(['the alert channel is', oneOf(['silent', 'back', 'redirecting inside'] as const)], (is) => {
      return { kind: 'channel', is }
    }),
    'test',
  ),
  happens(
    'nothing inside was asked',
    phrase(['nothing inside was asked'], () => ({ kind: 'nothing-inside-asked' })),
    'test',
  ),
  happens(
    'the configuration sends alerts elsewhere',
    phrase(['the configuration sends alerts elsewhere'], () => ({ kind: 'alerts-elsewhere' })),
    'test',
  ),
  happens(
    'the old channel hears NAME within DURATION',
    phrase(['the old channel hears', name, 'within', duration], (alert, withinMs) => {
      return { kind: 'old-channel-hears', alert, withinMs }
    }),
    'test',
  ),
  happens(
    'WHO is taken out of the configuration|every group',
    phrase([who, 'is taken out of', oneOf(['the configuration', 'every group'] as const)], (whom, from) => {
      return { kind: 'strike', whom, from }
    }),
    'test',
  ),
  happens(
    'the store is busy for DURATION',
    phrase(['the store is busy for', duration], (forMs) => ({ kind: 'store-busy', forMs })),
    'test',
  ),
  happens(
    'the store fails|is well again',
    phrase(['the store', oneOf(['fails', 'is well again'] as const)], (is) => ({ kind: 'store', is })),
    'test',
  ),
  happens(
    'the clock is set back|ahead by DURATION',
    phrase(['the clock is set', oneOf(['back', 'ahead'] as const), 'by', duration], (to, byMs) => {
      return { kind: 'clock-set', to, byMs }
    }),
    'test',
  ),
]

/** The line behind an attempt: what must come of it. */
export const expectations: readonly { readonly usage: string; readonly fits: Phrase<Attempted> }[] = [
  {
    usage: `expect refused: ${refusals.join(' | ')}`,
    fits: phrase(['expect refused:', oneOf(refusals)], (why): Attempted => ({ kind: 'refused', why })),
  },
  {
    usage: 'expect waiting for approval',
    fits: phrase(['expect waiting for approval'], (): Attempted => ({ kind: 'waiting' })),
  },
]
