// Everything an installation leaves behind, as bytes that an attacker may change, and random installations to change:
// several sessions of several people, whole, interrupted, damaged and still open, over several segments and epochs.
import { hash } from 'node:crypto'
import { encodeLine } from '../../src/recording/event-line.ts'
import { encodeLeafFrame, leafOf, readFrame } from '../../src/recording/frame.ts'
import type { LedgerRow } from '../../src/recording/ledger-check.ts'
import type { Snapshot } from '../../src/recording/verify-all.ts'
import type { Chance } from './chance.ts'
import { folderOf, Installation } from './installation.ts'
import { chunksOf } from './sealed.ts'

/** One state. What a mutation changes it replaces: buffers are shared between copies. */
export class Evidence {
  rows: LedgerRow[]
  readonly files: Map<string, Buffer>
  /** By name, such as `00000001.seg`. */
  readonly segments: Map<string, Buffer>
  checkpoint: string | undefined
  /** Kept outside the machine. */
  outside: string

  constructor({ rows, files, segments, checkpoint, outside }: Omit<Evidence, 'copy' | 'snapshot'>) {
    this.rows = [...rows]
    this.files = new Map(files)
    this.segments = new Map(segments)
    this.checkpoint = checkpoint
    this.outside = outside
  }

  copy(): Evidence {
    return new Evidence(this)
  }

  snapshot(): Snapshot {
    const { rows, checkpoint } = this
    const journal = [...this.segments].map(([name, bytes]) => {
      return { number: Number(name.slice(0, 8)), name, read: chunksOf(bytes, 65_536) }
    })
    const ledger = async function* () {
      yield* rows
    }
    return { ledger, checkpoint, journal, recordings: folderOf(this.files) }
  }
}

export interface Recorded {
  readonly session: string
  /** Path of the `.cast.zst`; undefined while it is open. */
  readonly file: string | undefined
  readonly state: 'complete' | 'interrupted' | 'damaged' | 'open'
  readonly lines: readonly Buffer[]
}

export interface Random {
  readonly all: Installation
  readonly evidence: Evidence
  readonly sessions: readonly Recorded[]
  /** Signed by the ledger's own key at earlier times. */
  readonly earlier: readonly string[]
  /** Frames of the journal that the ledger tells of. */
  readonly marked: number
}

const users = ['alice', 'bob', 'carla']
/** Behind the frames of a segment stands what was reserved and not written. */
const reserved = Buffer.alloc(200)

/** An installation with a past. `lines` of a session with `long` fill several frames. */
export async function randomInstallation(chance: Chance): Promise<Random> {
  const all = new Installation()
  const earlier = [all.sign()]
  const count = 3 + chance.below(3)
  const long = chance.isOnceIn(6) ? chance.below(count) : -1
  const running = Array.from({ length: count }, (_, at) => started(all, chance, at, at === long))
  const sessions: Recorded[] = []
  while (running.length > 0) {
    happen(all, chance, earlier)
    const at = chance.below(running.length)
    const session = running[at]
    if (session === undefined) continue
    const { id, lines, written, state } = session
    const line = lines[written]
    if (line !== undefined) {
      all.frame('line', id, written, line)
      session.written += 1
      continue
    }
    running.splice(at, 1)
    const file = state === 'open' ? undefined : await all.seal(id, lines, state)
    sessions.push({ session: id, file, state, lines })
  }
  const marked = mark(all, chance)
  const outside = all.sign()
  const isSealed = new Set(sessions.filter(({ state }) => state !== 'open').map(({ session }) => session))
  const segments = all.segments.map((bytes, at) => {
    // The segment that is written to is never reduced.
    const isReduced = at < all.segments.length - 1 && chance.isOnceIn(2)
    const segment = (isReduced ? skeletonOf(bytes, isSealed) : undefined) ?? Buffer.concat([bytes, reserved])
    return [`${String(at + 1).padStart(8, '0')}.seg`, segment] as const
  })
  const { rows, files, checkpoint } = all
  const evidence = new Evidence({ rows, files, segments: new Map(segments), checkpoint, outside })
  return { all, evidence, sessions, earlier, marked }
}

/** The segment with leaves in the place of lines; undefined where not all of its sessions are sealed. */
function skeletonOf(segment: Buffer, isSealed: ReadonlySet<string>): Buffer | undefined {
  const frames: Buffer[] = []
  for (let offset = 0; ;) {
    const read = readFrame(segment, offset)
    if (read.kind !== 'frame') return Buffer.concat(frames)
    const { type, session } = read.header
    if (type === 'line' && !isSealed.has(session)) return undefined
    const whole = segment.subarray(offset, read.next)
    frames.push(type === 'line' ? encodeLeafFrame(read.headerBytes, leafOf(read)) : whole)
    offset = read.next
  }
}

/** The end of the story, under an epoch: the ledger tells of all of the journal, or of all but that epoch's record. */
function mark(all: Installation, chance: Chance): number {
  const before = all.markJournal()
  all.epoch()
  return chance.isOnceIn(2) ? before : all.markJournal()
}

interface Running {
  readonly id: string
  readonly lines: readonly Buffer[]
  readonly state: Recorded['state']
  written: number
}

function started(all: Installation, chance: Chance, at: number, isLong: boolean): Running {
  const [grant, user] = [`g${at}`, chance.pick(users)]
  all.grant(grant, user)
  all.opened(`s${at}`, grant, user)
  // The first is whole in every installation; the others end as they may.
  const state = at === 0 ? 'complete' : chance.pick(['complete', 'complete', 'interrupted', 'damaged', 'open'] as const)
  return { id: `s${at}`, lines: randomLines(chance, user, isLong), state, written: 0 }
}

/** What happens beside the sessions. */
function happen(all: Installation, chance: Chance, earlier: string[]): void {
  if (chance.isOnceIn(20) && all.segments.length < 4) all.openSegment()
  if (chance.isOnceIn(20) && all.epochs < 12) all.epoch()
  if (chance.isOnceIn(15)) all.markJournal()
  if (chance.isOnceIn(12)) all.leaf({ type: 'session-viewed', session: 's0', by: 'rita', how: 'replay' })
  if (chance.isOnceIn(15)) earlier.push(all.sign())
}

function randomLines(chance: Chance, user: string, isLong: boolean): Buffer[] {
  const term = { cols: 80, rows: 24 }
  const header = encodeLine(0, { kind: 'header', header: { version: 3, term, halligan: { who: { user } } } })
  const events = Array.from({ length: (isLong ? 40 : 2) + chance.below(12) }, (_, at) => {
    let text = ''
    const length = isLong ? 4000 : 8 + chance.below(40)
    while (text.length < length) text += hash('sha512', `${at} ${chance.below(2 ** 32)}`, 'base64')
    const bytes = Buffer.from(text.slice(0, length))
    return encodeLine(chance.below(4_000_000) / 1e6, { kind: 'bytes', stream: chance.pick(['i', 'o', 'e']), bytes })
  })
  return [header, ...events]
}
