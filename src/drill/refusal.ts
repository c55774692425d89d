// Why somebody was refused, in a story's words: read from what the client was told and what the ledger says of it.

import type { AuditEvent } from '../audit.ts'
import type { Refusal } from './step.ts'

/** What a refused client was told. */
export interface Told {
  /** Exit status of a channel, or SQLSTATE. */
  readonly status: string
  readonly text: string
}

/** Texts of refusals, the most particular first. Each is a sentence of the room that refuses. */
const sayings: readonly (readonly [RegExp, Refusal])[] = [
  [/already used, next in/, 'used code'],
  [/wrong code/, 'wrong code'],
  [/too many wrong codes|is locked|was locked|locked by/, 'locked'],
  [/can be overridden in|cannot be overridden yet/, 'too early'],
  [/decided already/, 'too late'],
  [/allows no more|already lasts/, 'not allowed'],
  [/have not opened/, 'not watched'],
  [/second factor|no code was given/, 'no code'],
  [/state database failed|state store/, 'nothing can be written'],
  [/login refused|may no longer/, 'not known'],
  [/cannot be recorded|no session can be recorded|room left/, 'nothing can be recorded'],
  [/alert|announced/, 'not announced'],
  [/no policy|does not cover|no account|opens nothing but/, 'not opened'],
  [
    /may not|took part|asked for (grant|request)|vouched for|only \w+ may|none of the roles|is no admin|no review|cannot be overridden/,
    'not allowed',
  ],
  [/expired|was given back|was revoked|has ended/, 'grant over'],
  [/no live grant|was not broken|no request|say why|which target|grant_|reason/i, 'no grant'],
]

/** The reason; undefined where none of those that a story can name fits. */
export function refusalOf(told: Told, leaves: readonly AuditEvent[]): Refusal | undefined {
  for (const leaf of [...leaves].reverse()) {
    if (leaf.type !== 'mfa-refused') continue
    return ({ wrong: 'wrong code', replayed: 'used code', 'locked-out': 'locked' } as const)[leaf.reason]
  }
  return sayings.find(([saying]) => saying.test(told.text))?.[1]
}
