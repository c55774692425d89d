// What a runner needs of a world: somebody who performs a step and says what came of it. A drill's world and the tests'
// differ in what they stand on, not in how a step is done.

import type { Action, Attempted } from './step.ts'

/** What came of a step. `figure`: a time that the report gives, ms. */
export type Outcome =
  | {
      readonly kind: 'attempted'
      readonly attempted: Attempted | Unexpected
      readonly detail: string
      readonly figure?: Figure
    }
  | { readonly kind: 'so'; readonly detail: string; readonly figure?: Figure }
  | { readonly kind: 'not-so'; readonly detail: string; readonly figure?: Figure }

/** Refused, and not for a reason a story can name. */
export interface Unexpected {
  readonly kind: 'unexpected'
}

export interface Figure {
  readonly what: 'access' | 'alert' | 'kill'
  readonly ms: number
}

export interface World {
  /** Performs one step. Throws only when the world itself is broken. */
  perform(action: Action): Promise<Outcome>
  /** Closes what the story left open. */
  close(): Promise<void>
}
