// What each kind of event is called and how urgent it is: the one place where alerts get their words. A type that is not
// here still reads well; it is then as urgent as something nobody expected.

import { plainText } from './plain-text.ts'

const longestType = 60

/** Most urgent first; syslog and PagerDuty map it to theirs. */
export type Severity = 'critical' | 'error' | 'warning' | 'notice' | 'info'

/** What a title is made of: each is a short plain line, empty where the payload does not say. */
export interface Subject {
  /** The person the event is about. */
  readonly user: string
  /** `account@target`, or as much of it as there is. */
  readonly access: string
  /** Who decided or acted, where that is somebody else. */
  readonly by: string
  readonly name: string
}

interface Wording {
  readonly severity: Severity
  readonly title: (subject: Subject) => string
}

const someone = ({ user }: Subject) => (user === '' ? 'someone' : user)
const actor = ({ by }: Subject) => (by === '' ? 'someone' : by)
const on = ({ access }: Subject) => (access === '' ? '' : `: ${access}`)
const called = ({ name }: Subject) => (name === '' ? '' : ` ${name}`)

const wordings: ReadonlyMap<string, Wording> = new Map<string, Wording>([
  ['grant.requested', { severity: 'warning', title: (s) => `${someone(s)} asks for access${on(s)}` }],
  ['grant.activated', { severity: 'critical', title: (s) => `${someone(s)} broke the glass${on(s)}` }],
  ['grant.approved', { severity: 'warning', title: (s) => `access of ${someone(s)} is approved${on(s)}` }],
  ['grant.denied', { severity: 'notice', title: (s) => `access of ${someone(s)} is denied${on(s)}` }],
  ['grant.overridden', { severity: 'critical', title: (s) => `${someone(s)} went ahead without approval${on(s)}` }],
  ['grant.lapsed', { severity: 'notice', title: (s) => `nobody decided on the request of ${someone(s)}${on(s)}` }],
  ['grant.extended', { severity: 'warning', title: (s) => `access of ${someone(s)} lasts longer${on(s)}` }],
  ['grant.expiring', { severity: 'notice', title: (s) => `access of ${someone(s)} ends soon${on(s)}` }],
  ['grant.ended', { severity: 'notice', title: (s) => `access of ${someone(s)} has ended${on(s)}` }],
  ['session.opened', { severity: 'warning', title: (s) => `${someone(s)} is inside${on(s)}` }],
  ['session.unannounced', { severity: 'critical', title: (s) => `${someone(s)} is inside unannounced${on(s)}` }],
  ['session.risky', { severity: 'critical', title: (s) => `${someone(s)} does something risky${on(s)}` }],
  ['session.killed', { severity: 'warning', title: (s) => `the session of ${someone(s)} was ended${on(s)}` }],
  ['review.due', { severity: 'notice', title: (s) => `a review is due: ${someone(s)}${on(s)}` }],
  ['review.reminded', { severity: 'notice', title: (s) => `a review is waiting: ${someone(s)}${on(s)}` }],
  ['review.overdue', { severity: 'error', title: (s) => `a review is overdue: ${someone(s)}${on(s)}` }],
  ['review.escalated', { severity: 'critical', title: (s) => `a review is still not done: ${someone(s)}${on(s)}` }],
  ['review.done', { severity: 'info', title: (s) => `reviewed: ${someone(s)}${on(s)}` }],
  ['review.reopened', { severity: 'warning', title: (s) => `a review is open again: ${someone(s)}${on(s)}` }],
  ['recorder.failed', { severity: 'critical', title: (s) => `a session could not be recorded and was ended${on(s)}` }],
  [
    'recording.full',
    { severity: 'error', title: (s) => `a session wrote more than is kept of one, and was ended${on(s)}` },
  ],
  ['space.scarce', { severity: 'error', title: () => 'little room is left for recordings: some things are refused' }],
  ['anchor.failed', { severity: 'error', title: (s) => `the ledger could not be anchored${called(s)}` }],
  ['anchor.recovered', { severity: 'notice', title: (s) => `the ledger is anchored again${called(s)}` }],
  [
    'anchor.contradicted',
    {
      severity: 'critical',
      title: (s) => `the ledger is not the one that was anchored${called(s)}: it was cut or rewritten`,
    },
  ],
  ['journal.recovered', { severity: 'error', title: () => 'Halligan started after a crash or damage' }],
  ['user.locked-out', { severity: 'error', title: (s) => `wrong codes for ${someone(s)}: the key may be stolen` }],
  [
    'logins.refused',
    { severity: 'error', title: () => 'many logins are refused: somebody may be trying keys or names' },
  ],
  ['access.locked', { severity: 'critical', title: (s) => `${actor(s)} locked${called(s)}` }],
  ['access.unlocked', { severity: 'warning', title: (s) => `${actor(s)} unlocked${called(s)}` }],
  ['denial.lifted', { severity: 'warning', title: (s) => `${actor(s)} lets ${someone(s)} ask again${on(s)}` }],
  ['user.bypass', { severity: 'error', title: (s) => `${actor(s)} vouched for ${someone(s)}: one code, one grant` }],
  ['user.recovery-code-used', { severity: 'error', title: (s) => `${someone(s)} came in with a recovery code` }],
  ['user.recovery-codes', { severity: 'warning', title: (s) => `${someone(s)} has new recovery codes` }],
  ['code.issued', { severity: 'error', title: (s) => `${actor(s)} let ${someone(s)} in with a single code` }],
  ['factor.changed', { severity: 'error', title: (s) => `the second factor of ${someone(s)} was changed` }],
  ['revocation.failing', { severity: 'error', title: (s) => `a credential could not be taken away yet${on(s)}` }],
  ['revocation.done', { severity: 'info', title: (s) => `a credential is taken away at last${on(s)}` }],
  ['configuration.changed', { severity: 'warning', title: () => 'the configuration was changed' }],
  ['configuration.refused', { severity: 'error', title: () => 'a changed configuration was refused' }],
  ['drill.started', { severity: 'info', title: (s) => `a rehearsal has begun${called(s)}` }],
  ['drill.finished', { severity: 'info', title: (s) => `a rehearsal has ended${called(s)}` }],
  ['drill.failed', { severity: 'error', title: (s) => `a rehearsal found a broken promise${called(s)}` }],
  ['drill.missed', { severity: 'warning', title: (s) => `a rehearsal was left undone${called(s)}` }],
  ['halligan.test', { severity: 'info', title: () => 'a test message: nothing has happened' }],
])

/** The title (one line, as plain as its subject) and urgency of an event. */
export function wordingOf(type: string, subject: Subject): { readonly title: string; readonly severity: Severity } {
  const known = wordings.get(type)
  if (known !== undefined) return { title: known.title(subject), severity: known.severity }
  const about = subject.user === '' ? '' : ` (${subject.user})`
  const words = plainText(inWords(type.slice(0, longestType)), longestType)
  return { title: `${words}${about}${on(subject)}`, severity: 'warning' }
}

/** `policy.window-closed` and `expiresAt` as words: `policy: window closed`, `expires at`. */
export function inWords(name: string): string {
  return name
    .replaceAll(/([a-z\d])([A-Z])/g, (_, before: string, after: string) => `${before} ${after.toLowerCase()}`)
    .replaceAll(/[-_]+/g, ' ')
    .replaceAll('.', ': ')
    .trim()
}
