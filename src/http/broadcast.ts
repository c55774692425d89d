// Live terminals: one screen per watched session, shared by its watchers, made by the first and disposed after the last.

import type { Clock } from '../clock.ts'
import { httpLog } from '../log.ts'
import { decodeLine } from '../recording/event-line.ts'
import type { SessionRecord } from '../session/session.ts'
import { ALIS_EOT, ALIS_MAGIC, exitFrame, resetFrame, resizeFrame, textFrame } from './alis.ts'
import { closeCodes, type Outbound } from './outbound.ts'
import { problemOf } from './problem.ts'
import { frameOf, Screen, type Frame, type Snapshot } from './screen.ts'
import { tail, type TailPorts } from './tail.ts'

export class Broadcasts {
  readonly #ports: TailPorts
  readonly #clock: Clock
  /** By session; changed only by `watch` and the end of a broadcast. */
  readonly #running = new Map<string, Broadcast>()

  constructor(ports: TailPorts, clock: Clock) {
    this.#ports = ports
    this.#clock = clock
  }

  /** Shows `session` to one more browser until either is over. */
  watch(session: SessionRecord, out: Outbound): void {
    const running = this.#running.get(session.id)
    if (running !== undefined) return running.add(out)
    const broadcast = new Broadcast(this.#ports, this.#clock, session, () => {
      if (this.#running.get(session.id) === broadcast) this.#running.delete(session.id)
    })
    this.#running.set(session.id, broadcast)
    broadcast.add(out)
  }

  /** Terminals kept right now. */
  get size(): number {
    return this.#running.size
  }
}

interface Watcher {
  readonly out: Outbound
  /** Before its (next) snapshot frames go nowhere: the snapshot has them. */
  state: 'waiting' | 'snapshot' | 'live'
  /** Frames after the snapshot was asked for and before it was taken. */
  readonly held: Frame[]
  lastUs: number
  hasMagic: boolean
}

class Broadcast {
  readonly #ports: TailPorts
  readonly #clock: Clock
  readonly #session: SessionRecord
  readonly #isRaw: boolean
  readonly #onDone: () => void
  readonly #screen = new Screen()
  readonly #stop = new AbortController()
  readonly #watchers = new Set<Watcher>()
  #isCaughtUp = false
  /** What the recording says of the session's end, once its line has come. */
  #lastWords: LastWords | undefined

  constructor(ports: TailPorts, clock: Clock, session: SessionRecord, onDone: () => void) {
    this.#ports = ports
    this.#clock = clock
    this.#session = session
    this.#isRaw = !('term' in session.what) || session.what.term === null
    this.#onDone = onDone
    void this.#run()
  }

  add(out: Outbound): void {
    const watcher: Watcher = { out, state: 'waiting', held: [], lastUs: 0, hasMagic: false }
    this.#watchers.add(watcher)
    out.signal.addEventListener('abort', () => this.#remove(watcher), { once: true })
    if (this.#isCaughtUp) this.#show(watcher)
  }

  #remove(watcher: Watcher): void {
    this.#watchers.delete(watcher)
    if (this.#watchers.size === 0) this.#finish()
  }

  #finish(): void {
    this.#onDone()
    this.#stop.abort()
  }

  async #run(): Promise<void> {
    try {
      for await (const item of tail(this.#ports, this.#session.id, this.#stop.signal)) {
        if (item.kind === 'caught-up') {
          this.#isCaughtUp = true
          for (const watcher of this.#watchers) this.#show(watcher)
          continue
        }
        this.#lastWords ??= lastWordsOf(item.line)
        const frame = frameOf(item, this.#isRaw)
        if (frame === undefined) continue
        await this.#screen.apply(frame)
        for (const watcher of this.#watchers) this.#give(watcher, frame)
        // The last line of all. The row may wait behind those of a hundred others that ended at the same instant.
        if (frame.what.kind === 'exit' && this.#lastWords !== undefined) break
      }
      await this.#end()
    } catch (error) {
      const { code, title } = problemOf(error)
      httpLog.warn('http.watch-failed', { session: this.#session.id, error })
      for (const { out } of this.#watchers) out.close(code === 'recording_altered' ? closeCodes.unproven : 1011, title)
    } finally {
      this.#finish()
      this.#screen.dispose()
    }
  }

  /** Asks for the screen as it is after the last frame; what comes meanwhile is held for this watcher. */
  #show(watcher: Watcher): void {
    watcher.state = 'snapshot'
    watcher.held.length = 0
    this.#screen.snapshot((snapshot) => {
      this.#reset(watcher, snapshot)
      watcher.state = 'live'
      for (const frame of watcher.held.splice(0)) this.#give(watcher, frame)
    })
  }

  #reset(watcher: Watcher, { seq, atUs, cols, rows, init }: Snapshot): void {
    if (!watcher.hasMagic) void watcher.out.send(ALIS_MAGIC)
    watcher.hasMagic = true
    // The player's clock starts at the session's age now, not at its last sign of life.
    watcher.lastUs = Math.max(atUs, (this.#clock.now() - this.#session.openedAt) * 1000)
    void watcher.out.send(resetFrame({ id: seq + 1, timeUs: watcher.lastUs, cols, rows, init }))
  }

  #give(watcher: Watcher, frame: Frame): void {
    if (watcher.state === 'snapshot') watcher.held.push(frame)
    if (watcher.state !== 'live') return
    const deltaUs = Math.max(0, frame.atUs - watcher.lastUs)
    watcher.lastUs += deltaUs
    void watcher.out.send(encode(frame, deltaUs))
    if (watcher.out.isFull) void this.#catchUp(watcher)
  }

  /** A browser that fell behind is not sent what it missed: when it is ready again it gets the screen as it is then. */
  async #catchUp(watcher: Watcher): Promise<void> {
    watcher.state = 'waiting'
    await watcher.out.drained()
    if (this.#watchers.has(watcher)) this.#show(watcher)
  }

  async #end(): Promise<void> {
    const end = this.#lastWords ?? (await this.#ports.state.session(this.#session.id))?.end
    const killed = end?.reason === 'killed'
    // The last screens asked for are drawn first.
    await new Promise<void>((resolve) => this.#screen.snapshot(() => resolve()))
    for (const { out, hasMagic } of this.#watchers) {
      if (hasMagic) void out.send(ALIS_EOT)
      out.close(killed ? closeCodes.killed : closeCodes.ended, end?.message ?? 'session ended')
    }
  }
}

interface LastWords {
  readonly reason: string
  readonly message: string
}

/** Reads a line of `n` that says how the session ended; undefined for every other. */
function lastWordsOf(line: Buffer): LastWords | undefined {
  // Nearly every line is output: only what can be an end is read.
  if (!line.includes('"kind":"end"')) return undefined
  const event = decodeLine(line)
  if (event.kind !== 'event' || event.code !== 'n') return undefined
  const { kind, reason, message } = event.data as Readonly<Record<string, unknown>>
  return kind === 'end' ? { reason: String(reason), message: String(message) } : undefined
}

function encode({ seq, what }: Frame, deltaUs: number): Buffer {
  const id = seq + 1
  switch (what.kind) {
    case 'output':
      return textFrame('o', id, deltaUs, what.bytes)
    case 'marker':
      return textFrame('m', id, deltaUs, what.label)
    case 'resize':
      return resizeFrame(id, deltaUs, what.cols, what.rows)
    case 'exit':
      return exitFrame(id, deltaUs, what.status)
  }
}
