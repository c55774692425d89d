// What a story can say: who takes part, where, and what they do. A closed list; a world performs each step or refuses the
// story before it begins.

/** Who takes part. In a drill each is played by an identity made for one story; tests have people of these names. */
export const players = ['alice', 'carol', 'bob', 'rita', 'adam'] as const
export type Player = (typeof players)[number]

/** Who is there in a drill: an engineer, an approver and a reviewer. Nobody else is made, least of all an admin. */
export const drillPlayers: readonly Player[] = ['alice', 'bob', 'rita']

/** Where. A world finds each among its targets and policies. */
export const places = [
  /** An ssh target whose glass the engineer breaks at once. */
  'the host',
  /** The same on a PostgreSQL server. */
  'the database',
  /** A target and account for which somebody has to approve. */
  'the guarded account',
  /** A host whose sessions wait until the alert has been accepted, and are refused without. */
  'the gated account',
  /** The same, but after a while they open unannounced. */
  'the held account',
  /** A target that no policy opens. */
  'another target',
  /** An account of the host that no policy opens. */
  'another account',
  /** A database of the server that the grant does not cover. */
  'another database',
] as const
export type Place = (typeof places)[number]

/** Why somebody was refused, as a story says it. */
export const refusals = [
  'no grant',
  'no code',
  'wrong code',
  'used code',
  'not opened',
  'not allowed',
  'too early',
  'too late',
  'grant over',
  'locked',
  'not announced',
  'not watched',
  'nothing can be recorded',
  'nothing can be written',
  'not signed in',
  'no such request',
  'not known',
  'bad configuration',
] as const
export type Refusal = (typeof refusals)[number]

/** What an attempt led to. */
export type Attempted =
  | { readonly kind: 'done' }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'refused'; readonly why: Refusal }

export type Credential = 'its code' | 'no code' | 'a wrong code' | 'a used code' | 'a made-up secret'

/** Something a person tries: it is done, waits, or is refused, and the story says which is right. */
export type Attempt =
  | {
      readonly kind: 'break-glass'
      readonly who: Player
      readonly place: Place
      readonly forMs: number | null
      readonly reason: string
    }
  | { readonly kind: 'connect'; readonly who: Player; readonly place: Place; readonly with: Credential }
  | {
      readonly kind: 'run'
      readonly client: 'ssh' | 'psql'
      readonly command: string
      readonly prints: RegExp | null
    }
  | { readonly kind: 'decide'; readonly who: Player; readonly how: 'approve' | 'deny' }
  | { readonly kind: 'override'; readonly who: Player; readonly reason: string }
  | { readonly kind: 'extend'; readonly who: Player; readonly reason: string }
  | { readonly kind: 'take-away'; readonly who: Player; readonly how: 'give back' | 'revoke' }
  | { readonly kind: 'review'; readonly who: Player; readonly verdict: string; readonly findings: string }

/** Something that happens, or must be so. */
export type Happening =
  | { readonly kind: 'stay-busy'; readonly client: 'ssh' | 'psql'; readonly command: string }
  | { readonly kind: 'runs-out' }
  | { readonly kind: 'ended'; readonly withinMs: number }
  | { readonly kind: 'still-running' }
  | { readonly kind: 'alert'; readonly alert: string; readonly withinMs: number }
  | { readonly kind: 'ledger'; readonly leaf: string }
  | { readonly kind: 'recorder-fails' }
  | { readonly kind: 'sealed' }
  | { readonly kind: 'shows'; readonly text: string }
  | { readonly kind: 'tampered' }
  | { readonly kind: 'marked-unannounced' }

/** How somebody uses the link that stands in an alert. */
export const linkUses = [
  "the alert's link",
  "the alert's link with no code",
  "the alert's link twice at once",
  'a guessed link',
] as const
export type LinkUse = (typeof linkUses)[number]

/** What exists in tests only: no running Halligan has a switch for it (design §10). */
export type Beyond =
  | { readonly kind: 'watch'; readonly who: Player }
  | { readonly kind: 'vouch'; readonly who: Player; readonly forWhom: Player; readonly reason: string }
  | { readonly kind: 'bypass'; readonly who: Player; readonly place: Place; readonly reason: string }
  | { readonly kind: 'rehearse'; readonly who: Player; readonly drill: string }
  | { readonly kind: 'lock'; readonly who: Player; readonly what: Player | 'everything'; readonly reason: string }
  | { readonly kind: 'unlock'; readonly who: Player; readonly what: Player | 'everything'; readonly reason: string }
  | { readonly kind: 'follow-link'; readonly who: Player; readonly by: LinkUse }
  | { readonly kind: 'stranger-follows-link' }
  | { readonly kind: 'click-twice'; readonly who: Player; readonly place: Place; readonly reason: string }
  | { readonly kind: 'point-at'; readonly what: 'alerts' | 'checks'; readonly url: string }
  | { readonly kind: 'alerts-elsewhere' }
  | { readonly kind: 'old-channel-hears'; readonly alert: string; readonly withinMs: number }
  | { readonly kind: 'strike'; readonly whom: Player; readonly from: 'the configuration' | 'every group' }
  | { readonly kind: 'store-busy'; readonly forMs: number }
  | { readonly kind: 'store'; readonly is: 'fails' | 'is well again' }
  | { readonly kind: 'time'; readonly byMs: number }
  | { readonly kind: 'clock-set'; readonly to: 'back' | 'ahead'; readonly byMs: number }
  | { readonly kind: 'disk-full' }
  | { readonly kind: 'channel'; readonly is: 'silent' | 'back' | 'redirecting inside' }
  | { readonly kind: 'nothing-inside-asked' }

const beyond: Readonly<Record<Beyond['kind'], true>> = {
  watch: true,
  vouch: true,
  bypass: true,
  rehearse: true,
  lock: true,
  unlock: true,
  'follow-link': true,
  'stranger-follows-link': true,
  'click-twice': true,
  'point-at': true,
  'alerts-elsewhere': true,
  'old-channel-hears': true,
  strike: true,
  'store-busy': true,
  store: true,
  time: true,
  'clock-set': true,
  'disk-full': true,
  channel: true,
  'nothing-inside-asked': true,
}

export type Action = Attempt | Happening | Beyond

/** Whether only tests have it. */
export function isBeyond(action: Action): action is Beyond {
  return Object.hasOwn(beyond, action.kind)
}

export interface Step {
  /** Line of the story's file, 1 for the first. */
  readonly line: number
  /** The line as it is written. */
  readonly text: string
  readonly action: Action
  /** What the story says must come of it; null for what is no attempt. */
  readonly expected: Attempted | null
}

export interface Story {
  readonly title: string
  /** Promises of the design that it proves, such as `P4`. */
  readonly proves: readonly string[]
  readonly steps: readonly Step[]
}
