// P1 seen from the kernel: what a person sends is written to the journal, the sync of it returns, and only then anything
// goes to the target's socket. Nothing of Halligan is asked; strace is.
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { has } from '../support/clients.ts'
import { run } from '../support/terminal.ts'
import { canTrace, type Moment, parseTrace, Tracing } from '../support/tracing.ts'
import { Serving } from './serving.ts'
import { Surroundings } from './surroundings.ts'

const calls = ['connect', 'write', 'writev', 'pwrite64', 'pwritev', 'sendto', 'sendmsg', 'fdatasync', 'fsync']
const isPossible = has('strace') && canTrace('the order of system calls')

let world: Surroundings
let bastion: Serving | undefined

beforeAll(async () => {
  if (!isPossible) return
  world = await Surroundings.start({ engineers: ['ada', 'bea'], segment: '1MiB' })
  bastion = await Serving.start(world)
})

afterAll(async () => {
  await bastion?.stop()
  await world?.close()
})

/** What happened around one line of the journal. */
interface Passage {
  /** Writes to the target between the line's write and the return of the sync behind it. */
  readonly early: readonly Moment[]
  /** The first write to the target after that. */
  readonly forwarded: Moment | undefined
}

/** Follows the line that holds `text` (as strace escapes it) through the trace; `port` is the target's. */
function passage(moments: readonly Moment[], text: string, port: number): Passage {
  const sockets = new Set<string>()
  const written = moments.findIndex(({ name, kind, given }) => {
    return kind === 'entered' && name.startsWith('pwrite') && given.includes('.seg>') && given.includes(text)
  })
  expect(written, `a line with ${text} is written to the journal`).toBeGreaterThanOrEqual(0)
  for (const { name, given } of moments.slice(0, written))
    if (name === 'connect' && given.includes(`htons(${port})`)) sockets.add(descriptor(given))
  expect(sockets.size, 'the target was dialled while it was traced').toBeGreaterThan(0)
  const isToTarget = ({ kind, name, given }: Moment) =>
    kind === 'entered' && name !== 'connect' && !name.endsWith('sync') && sockets.has(descriptor(given))
  const after = moments.slice(written)
  const entered = after.findIndex((moment) => moment.kind === 'entered' && isSync(moment))
  const synced = after.findIndex((moment, at) => at > entered && moment.kind === 'left' && isSync(moment))
  expect(synced, 'the sync behind it returns').toBeGreaterThan(0)
  expect(after[synced]?.result).toBe('0')
  return { early: after.slice(0, synced).filter(isToTarget), forwarded: after.slice(synced).find(isToTarget) }
}

function isSync({ name, given }: Moment): boolean {
  return name === 'fdatasync' && given.includes('.seg>')
}

/** The number of the descriptor that a call was given first. */
function descriptor(given: string): string {
  return /^\d+/.exec(given)?.[0] ?? ''
}

test.runIf(isPossible && has('ssh'))(
  'each keystroke goes to the target only after the fdatasync of its line has returned',
  { timeout: 60_000 },
  async () => {
    const tracing = await Tracing.attach(bastion?.pid ?? 0, calls, join(world.folder, 'keystrokes.trace'))
    const terminal = await world.breakGlass('ada', 'web-1')
    await terminal.expect('web-1:')
    const keys = ['x', 'q', 'z', 'j', 'k', 'w']
    for (const key of keys) {
      terminal.type(key)
      await terminal.expect(key)
    }
    const moments = await tracing.detach()
    terminal.close()
    for (const key of keys) {
      const { early, forwarded } = passage(moments, String.raw`\"i\",\"${key}\"`, world.sshTarget.port)
      expect(early, `before the sync of ${key}`).toEqual([])
      expect(forwarded, `after the sync of ${key}`).toBeDefined()
    }
  },
)

test.runIf(isPossible && has('ssh', 'psql'))(
  'a statement goes to the database only after the fdatasync of its line has returned',
  { timeout: 60_000 },
  async () => {
    const dsn = await world.dsn('bea')
    const tracing = await Tracing.attach(bastion?.pid ?? 0, calls, join(world.folder, 'statements.trace'))
    const words = ['wanted', 'awaited', 'durable']
    const ran = await run('/usr/bin/psql', ['-X', dsn, ...words.flatMap((word) => ['-c', `SELECT '${word}'`])])
    const moments = await tracing.detach()
    expect([ran.status, ran.stderr]).toEqual([0, ''])
    for (const word of words) {
      const { early, forwarded } = passage(moments, `SELECT '${word}'`, world.postgres.port)
      expect(early, `before the sync of ${word}`).toEqual([])
      expect(forwarded, `after the sync of ${word}`).toBeDefined()
    }
  },
)

test('a write to the target before the sync has returned would be seen', () => {
  const journal = '9</j/00000001.seg>'
  const write = '11 write(20<socket:[7]>, "x", 1) = 1'
  const [connect, line] = [
    '11 connect(20<socket:[7]>, {sin_port=htons(22)}, 16) = 0',
    `12 pwrite64(${journal}, "x", 1, 0) = 1`,
  ]
  const [sync, synced] = [`12 fdatasync(${journal} <unfinished ...>`, '12 <... fdatasync resumed>) = 0']
  const early = (...trace: string[]) => passage(parseTrace(trace.join('\n')), '"x"', 22).early.length
  expect(early(connect, line, sync, synced, write)).toBe(0)
  expect(early(connect, line, sync, write, synced)).toBe(1)
  expect(early(connect, line, write, sync, synced)).toBe(1)
})

test('a trace of several threads is read in the order of its moments', () => {
  const trace = [
    '12 pwrite64(9</j/00000001.seg>, "line", 4, 0 <unfinished ...>',
    '11 write(20<socket:[7]>, "a", 1) = 1',
    '12 <... pwrite64 resumed>) = 4',
    '12 fdatasync(9</j/00000001.seg>) = 0',
    '11 --- SIGCHLD {si_signo=SIGCHLD} ---',
  ].join('\n')
  expect(parseTrace(trace).map(({ kind, name }) => `${kind} ${name}`)).toEqual([
    'entered pwrite64',
    'entered write',
    'left write',
    'left pwrite64',
    'entered fdatasync',
    'left fdatasync',
  ])
})
