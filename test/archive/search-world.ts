// Recordings as they are sealed, and the index over them: all real but the sessions' content.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sealRecording } from '../../src/archive/recording-archive.ts'
import { SearchIndex, type SearchRecording } from '../../src/archive/search-index.ts'
import { systemClock } from '../../src/clock.ts'
import { parseSearch } from '../../src/procedure/search-query.ts'
import type { SearchFound, SearchSight } from '../../src/procedure/search.ts'
import { encodeLine, type LineBody } from '../../src/recording/event-line.ts'
import { sealEventOf } from '../../src/recording/seal-leaf.ts'

export const openedAt: number = Date.parse('2026-11-21T03:00:00Z')

export interface Recorded {
  readonly id: string
  readonly user?: string
  readonly target?: string
  readonly grant?: string
  readonly openedAt?: number
  readonly what?: unknown
  readonly reason?: string
  /** Seconds since the line before, and what the line is. */
  readonly lines?: readonly (readonly [number, LineBody])[]
}

export class SearchWorld implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'halligan-search-'))
  index: SearchIndex
  renewed = 0

  constructor() {
    this.index = this.#open()
  }

  get file(): string {
    return join(this.directory, 'search.db')
  }

  get recordings(): string {
    return join(this.directory, 'recordings')
  }

  #open(): SearchIndex {
    const index = new SearchIndex(systemClock(), { file: this.file, recordings: this.recordings })
    index.onRenewed = () => {
      this.renewed += 1
    }
    return index
  }

  /** As another start of Halligan. */
  async reopen(meanwhile: () => void = () => undefined): Promise<void> {
    await this.index.close()
    meanwhile()
    this.index = this.#open()
  }

  async seal(recorded: Recorded): Promise<SearchRecording> {
    const { id, user = 'alice', target = 'web-1', grant = 'g1', reason = 'the shop is down' } = recorded
    const at = recorded.openedAt ?? openedAt
    const what = recorded.what ?? { kind: 'shell', term: { type: 'xterm', cols: 80, rows: 24 } }
    const halligan = {
      id,
      user,
      target,
      what,
      grant: { id: grant, reason, trigger: 'customer-impact', incident: null },
    }
    const header = { version: 3, term: { cols: 80, rows: 24 }, timestamp: Math.floor(at / 1000), title: '', halligan }
    const lines = [
      encodeLine(0, { kind: 'header', header }),
      ...(recorded.lines ?? []).map(([interval, body]) => encodeLine(interval, body)),
    ]
    const { file, content } = await sealRecording(this.recordings, id, at, lines)
    const seal = { file, ...sealEventOf(content), firstSeq: 0, lastSeq: lines.length - 1, state: 'complete' as const }
    return { session: id, user, target, grant, openedAt: at, seal }
  }

  async sealAndIndex(recorded: Recorded): Promise<SearchRecording> {
    const recording = await this.seal(recorded)
    await this.index.index(recording)
    return recording
  }

  async find(
    text: string,
    options: { sees?: SearchSight; before?: number; limit?: number } = {},
  ): Promise<SearchFound> {
    const query = parseSearch(text, openedAt)
    if (query === undefined) return { matches: [], count: 0, isMore: false }
    const { sees = { kind: 'all' }, before = null, limit = 50 } = options
    return await this.index.find({ query, sees, before, limit })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.index.close()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

export function shown(text: string): LineBody {
  return { kind: 'bytes', stream: 'o', bytes: Buffer.from(text) }
}

export function typed(text: string): LineBody {
  return { kind: 'bytes', stream: 'i', bytes: Buffer.from(text) }
}
