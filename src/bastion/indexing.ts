// Keeps the search index at what is sealed: each recording after its sealing, and at start whatever is missing. In the
// background, one at a time, and nothing waits for it.

import type { SearchIndex, SearchRecording } from '../archive/search-index.ts'
import type { SearchIndexed } from '../archive/search-message.ts'
import type { Clock, Timer } from '../clock.ts'
import { searchLog } from '../log.ts'
import type { SearchAsk, SearchFound, SearchPort } from '../procedure/search.ts'
import type { SessionRecord } from '../session/session.ts'
import type { State } from '../session/state.ts'

/** Sealed sessions looked at in one question. */
const PAGE = 200
/** After a failure (a full disk, a worker that was lost) all is looked at again. */
const RETRY_MS = 60_000
/** Sealed while others are being indexed; beyond, all is looked at. */
const MOST_FRESH = 1000

/** What is asked of the index. */
export type IndexPort = Pick<SearchIndex, 'index' | 'missing' | 'find' | 'close' | 'onRenewed' | 'losses'>

export class Indexing implements SearchPort {
  readonly #clock: Clock
  readonly #state: Pick<State, 'session' | 'sessions'>
  readonly #index: IndexPort
  /** Recordings that did not verify: looked at again at the next start. */
  readonly #refused = new Set<string>()
  readonly #suspected = new Set<string>()
  #running: Promise<void> | undefined
  /** Sealed since the last look at everything. */
  #fresh = new Set<string>()
  /** False: all that is sealed is to be looked at. */
  #isWhole = false
  #hasNews = true
  #isClosed = false
  #retry: Timer | undefined

  constructor(clock: Clock, state: Pick<State, 'session' | 'sessions'>, index: IndexPort) {
    this.#clock = clock
    this.#state = state
    this.#index = index
    index.onRenewed = () => this.lookAtAll()
  }

  get isCaughtUp(): boolean {
    return !this.#hasNews && this.#running === undefined
  }

  find(ask: SearchAsk): Promise<SearchFound> {
    return this.#index.find(ask)
  }

  /** This session was sealed. Returns at once; never throws. */
  sealed(session: string): void {
    if (this.#fresh.size < MOST_FRESH) this.#fresh.add(session)
    else this.#isWhole = false
    this.#nudge()
  }

  /** Anything may be missing. Returns at once; never throws. */
  lookAtAll(): void {
    this.#isWhole = false
    this.#nudge()
  }

  #nudge(): void {
    this.#hasNews = true
    if (this.#running !== undefined || this.#isClosed) return
    this.#retry?.cancel()
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      // Nudged between the last look and here.
      if (this.#hasNews && this.#retry === undefined) this.#nudge()
    })
  }

  /** Resolves when nothing is being indexed. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#hasNews = false
    this.#retry?.cancel()
    await this.#index.close()
    await this.#running
  }

  async #run(): Promise<void> {
    this.#retry = undefined
    try {
      while (this.#hasNews) {
        this.#hasNews = false
        await (this.#isWhole ? this.#takeFresh() : this.#catchUp())
      }
    } catch (error) {
      if (this.#isClosed) return
      searchLog.error('search.not-indexed', { error })
      this.#isWhole = false
      this.#hasNews = true
      this.#retry = this.#clock.after(RETRY_MS, () => this.#nudge())
    }
  }

  async #takeFresh(): Promise<void> {
    for (const id of this.#fresh) {
      this.#fresh.delete(id)
      const session = await this.#state.session(id)
      const recording = session && recordingOf(session)
      if (recording !== undefined) await this.#take(recording)
    }
  }

  /** All that is sealed, newest first. Throws what the store or the index throws. */
  async #catchUp(): Promise<void> {
    this.#isWhole = true
    this.#fresh.clear()
    let after: string | undefined
    for (;;) {
      const page = await this.#state.sessions({
        states: ['sealed'],
        limit: PAGE,
        ...(after === undefined ? {} : { after }),
      })
      const sealed = page.map(recordingOf).filter((recording) => recording !== undefined)
      const missing = await this.#index.missing(sealed)
      for (const recording of sealed)
        if (missing.has(recording.session) && !this.#refused.has(recording.session)) await this.#take(recording)
      after = page.at(-1)?.id
      if (page.length < PAGE || this.#isClosed) return
    }
  }

  async #take(recording: SearchRecording): Promise<void> {
    const { session } = recording
    const { losses } = this.#index
    let taken: SearchIndexed
    try {
      taken = await this.#index.index(recording)
    } catch (error) {
      if (this.#index.losses > losses) this.#suspect(session)
      throw error
    }
    if (taken.kind === 'indexed') {
      if (taken.isCut) searchLog.warn('search.recording-cut', { session, entries: taken.entries })
      return
    }
    // What it is worth as evidence is the verifier's to say.
    this.#refused.add(session)
    searchLog.error('search.recording-refused', { session, why: taken.why })
  }

  /** The worker ended over it: the second time it is left out, or nothing behind it would ever be found. */
  #suspect(session: string): void {
    if (!this.#suspected.has(session)) this.#suspected.add(session)
    else this.#refused.add(session)
  }
}

function recordingOf({ id, user, target, grant, openedAt, seal }: SessionRecord): SearchRecording | undefined {
  return seal === null ? undefined : { session: id, user, target, grant, openedAt, seal }
}
