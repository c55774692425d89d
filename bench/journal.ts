// The journal's row of design §14: 200 sessions, each with one line under way, on the disk and on a file system in
// memory, where a sync costs nothing; and one session alone, as a person types. Needs no bastion.

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../src/clock.ts'
import { openJournal } from '../src/journal/journal.ts'
import { fileSystemOf, syncCostMs } from './machine.ts'
import { median, quantile } from './rounds.ts'
import type { Sizes } from './sizes.ts'
import { absentRow, figure, type Row } from './table.ts'

const MEMORY = '/dev/shm'
const MOST_P99_MS = 2
const LEAST_FACTOR = 0.5

interface Load {
  readonly name: string
  readonly sessions: number
  readonly lineBytes: number
  readonly pauseMs: number
  /** Whether design §14 speaks of this load. */
  readonly hasTarget: boolean
}

const loads: readonly Load[] = [
  { name: '200 sessions, 64 B lines', sessions: 200, lineBytes: 64, pauseMs: 0, hasTarget: true },
  { name: '200 sessions, 64 B lines, 10 a second each', sessions: 200, lineBytes: 64, pauseMs: 100, hasTarget: false },
  { name: '200 sessions, 4 KiB lines', sessions: 200, lineBytes: 4096, pauseMs: 0, hasTarget: false },
  { name: '1 session, 1 B lines, typed', sessions: 1, lineBytes: 1, pauseMs: 1, hasTarget: false },
]

/** `folder`: on the disk that is measured. */
export async function journalRows(folder: string, sizes: Sizes): Promise<Row[]> {
  if (fileSystemOf(MEMORY) !== 'tmpfs') return [absentRow('journal', '≥ 0.5×', `left out: ${MEMORY} is no tmpfs`)]
  const rows: Row[] = []
  for (const load of loads) {
    const synced: Figures[] = []
    const unsynced: Figures[] = []
    for (let round = 0; round < sizes.rounds; round++) {
      synced.push(await measure(folder, load, sizes.journalSeconds))
      unsynced.push(await measure(MEMORY, load, sizes.journalSeconds))
    }
    const of = (figures: readonly Figures[], which: keyof Figures) => median(figures.map((one) => one[which]))
    const factor = of(synced, 'perSecond') / of(unsynced, 'perSecond')
    const p99Ms = of(synced, 'p99Ms')
    const syncMs = syncCostMs(folder, sizes.syncs)
    const said = (figures: readonly Figures[]) =>
      `${figure(of(figures, 'perSecond'), '/s')}, p50 ${figure(of(figures, 'p50Ms'), 'ms')}, p99 ${figure(of(figures, 'p99Ms'), 'ms')}`
    rows.push({
      what: `journal, ${load.name}`,
      halligan: said(synced),
      beside: `no sync (tmpfs) ${said(unsynced)}; one sync ${figure(syncMs, 'ms')}`,
      ratio: `${factor.toFixed(2)}×`,
      target: load.hasTarget ? `≥ ${LEAST_FACTOR}×, p99 < ${MOST_P99_MS} ms` : '',
      isMet: load.hasTarget ? factor >= LEAST_FACTOR && p99Ms < MOST_P99_MS : null,
    })
  }
  return rows
}

interface Figures {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Each session appends its next line as soon as the one before is durable, after `pauseMs`. */
async function measure(place: string, { sessions, lineBytes, pauseMs }: Load, seconds: number): Promise<Figures> {
  const clock = systemClock()
  const folder = mkdtempSync(join(place, 'halligan-bench-journal-'))
  const journal = await openJournal({
    dir: join(folder, 'journal'),
    segmentBytes: 64 << 20,
    epochKeyFile: join(folder, 'epoch.key'),
    clock,
  })
  const bytes = Buffer.alloc(lineBytes, 'x')
  const times: number[] = []
  const started = performance.now()
  const end = started + seconds * 1000
  const session = async (name: string): Promise<void> => {
    for (let seq = 0; performance.now() < end; seq++) {
      const before = performance.now()
      await journal.append({
        session: name,
        seq,
        monotonicUs: clock.monotonicUs(),
        wallMs: clock.now(),
        interval: 0.01,
        body: { kind: 'bytes', stream: 'o', bytes },
      })
      times.push(performance.now() - before)
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
  try {
    await Promise.all(Array.from({ length: sessions }, (_, index) => session(`s${index}`)))
    const took = performance.now() - started
    return {
      perSecond: (times.length / took) * 1000,
      p50Ms: quantile(times, 0.5),
      p99Ms: quantile(times, 0.99),
    }
  } finally {
    await journal.close()
    rmSync(folder, { recursive: true })
  }
}
