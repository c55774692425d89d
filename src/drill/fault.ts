// Makes the recorder of a drill's own session fail, and no other's: the fault sits on that session's handle to the
// journal, not in the journal. Who is no drill's person is handed the journal itself.

import { HalliganError } from '../errors.ts'
import type { User } from '../identity/user.ts'
import type { Journal } from '../session/recorder.ts'

export class RecorderFaults {
  /** Sessions of drills that run now; changed only by `journalFor` and `forget`. */
  readonly #own = new Map<string, { isBroken: boolean }>()

  /** The journal as this session's recorder sees it. */
  journalFor(session: string, user: User | undefined, journal: Journal): Journal {
    if (user?.isDrill !== true) return journal
    const fault = { isBroken: false }
    this.#own.set(session, fault)
    return {
      append: (entry) =>
        fault.isBroken
          ? Promise.reject(new HalliganError('journal_failed', 'the drill broke the recorder of its own session'))
          : journal.append(entry),
      lines: (of) => journal.lines(of),
      head: () => journal.head(),
      epoch: (ledger) => journal.epoch(ledger),
      close: () => journal.close(),
    }
  }

  /** From now on nothing of this session can be recorded. Throws `not_found` for one that is no drill's. */
  fail(session: string): void {
    const fault = this.#own.get(session)
    if (fault === undefined) throw new HalliganError('not_found', `no session ${session} of a drill is running`)
    fault.isBroken = true
  }

  /** The run is over. */
  forget(): void {
    this.#own.clear()
  }
}
