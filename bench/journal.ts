// The journal's row of design §14: 200 sessions, each with one line under way, on a real disk and on a file system in
// memory, where a sync costs nothing; and one session alone, as a person types. Argument: seconds per figure.
// The disk is that of HALLIGAN_BENCH_DIR, else of the system's temporary directory.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../src/clock.ts'
import { openJournal } from '../src/journal/journal.ts'

const clock = systemClock()
const seconds = Number(process.argv[2] ?? 3)
const segmentBytes = 64 << 20
const disk = process.env['HALLIGAN_BENCH_DIR'] ?? tmpdir()
const memory = '/dev/shm'

interface Figures {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Each session appends its next line as soon as the one before is durable, after `pauseMs`. */
async function measure(place: string, sessions: number, lineBytes: number, pauseMs: number): Promise<Figures> {
  const directory = mkdtempSync(join(place, 'halligan-bench-'))
  const journal = await openJournal({
    dir: join(directory, 'journal'),
    segmentBytes,
    epochKeyFile: join(directory, 'epoch.key'),
    clock,
  })
  const bytes = Buffer.alloc(lineBytes, 'x')
  const times: number[] = []
  const end = performance.now() + seconds * 1000
  const session = async (name: string): Promise<void> => {
    for (let seq = 0; performance.now() < end; seq++) {
      const started = performance.now()
      await journal.append({
        session: name,
        seq,
        monotonicUs: clock.monotonicUs(),
        wallMs: clock.now(),
        interval: 0.01,
        body: { kind: 'bytes', stream: 'o', bytes },
      })
      times.push(performance.now() - started)
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: sessions }, (_, index) => session(`s${index}`)))
  const took = performance.now() - started
  await journal.close()
  rmSync(directory, { recursive: true })
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(times.length * share)] ?? 0
  return { perSecond: (times.length / took) * 1000, p50Ms: at(0.5), p99Ms: at(0.99) }
}

const rows = [
  { name: '1 session, 1 byte, typed', sessions: 1, lineBytes: 1, pauseMs: 1 },
  { name: '200 sessions, 64 bytes', sessions: 200, lineBytes: 64, pauseMs: 0 },
  { name: '200 sessions, 4 KiB', sessions: 200, lineBytes: 4096, pauseMs: 0 },
  { name: '200 sessions, 64 bytes, 10 a second', sessions: 200, lineBytes: 64, pauseMs: 100 },
]
for (const { name, sessions, lineBytes, pauseMs } of rows) {
  const synced = await measure(disk, sessions, lineBytes, pauseMs)
  const unsynced = await measure(memory, sessions, lineBytes, pauseMs)
  const say = ({ perSecond, p50Ms, p99Ms }: Figures) =>
    `${Math.round(perSecond)}/s p50 ${p50Ms.toFixed(2)} p99 ${p99Ms.toFixed(2)} ms`
  const ratio = (synced.perSecond / unsynced.perSecond).toFixed(2)
  process.stdout.write(`${name.padEnd(38)} disk ${say(synced)}   memory ${say(unsynced)}   ${ratio}x\n`)
}
