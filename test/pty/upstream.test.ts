import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import type { Grant } from '../../src/access/grant.ts'
import { systemClock } from '../../src/clock.ts'
import { dialCommand, runAsProblem } from '../../src/pty/upstream.ts'
import { admit, type Admission } from '../../src/session/admission.ts'
import { Registry } from '../../src/session/registry.ts'
import type { Program, ProgramExit, Upstream } from '../../src/session/upstream.ts'
import type { CommandTarget } from '../../src/target.ts'
import { grantOf } from '../support/grant.ts'

const NOBODY = 65534
const isRoot = process.getuid?.() === 0
const clock = systemClock()

const target = (script: string, over: Partial<CommandTarget> = {}): CommandTarget => ({
  kind: 'command',
  name: 'console',
  labels: {},
  accounts: ['console'],
  argv: ['/bin/bash', '--norc', '--noprofile', '-c', script],
  runAs: 'demo-self',
  cwd: '/',
  env: { TARGETS_OWN: 'yes' },
  ...over,
})

const program: Program = {
  start: { kind: 'shell' },
  terminal: { type: 'xterm-256color', cols: 97, rows: 31, widthPx: 0, heightPx: 0, modes: Buffer.alloc(0) },
  environment: [
    ['LANG', Buffer.from('C.UTF-8')],
    ['LD_PRELOAD', Buffer.from('/tmp/evil.so')],
  ],
}

async function admission(to: CommandTarget): Promise<Admission> {
  const registry = new Registry(clock, () => undefined)
  const grant: Grant = grantOf(clock.now(), { target: to.name, account: 'console' })
  registry.track(grant)
  const user = { name: 'alice', groups: [], roles: [], keys: [] }
  const recorder = { session: '', bytes: done, bulk: done, fact: done, pendingBytes: 0 }
  return admit(
    {
      clock,
      registry,
      state: { commit: () => Promise.resolve({ size: 0, root: '' }) },
      ceremony: () => 'totp',
      openRecorder: () => Promise.resolve(recorder),
      checkSpace: done,
      onEnded: done,
      onRecorderFailure: () => undefined,
      openedAlerts: () => [],
      gate: () => Promise.resolve({ kind: 'open' }),
    },
    {
      identity: { user, fingerprint: '', address: '127.0.0.1' },
      via: 'ceremony',
      grant: grant.id,
      target: to,
      account: 'console',
      database: null,
      protocol: 'command',
      what: { kind: 'shell', term: { type: 'xterm', cols: 80, rows: 24 } },
    },
  )
}
const done = () => Promise.resolve()

const running: Upstream[] = []
afterEach(() => {
  for (const upstream of running.splice(0)) upstream.close()
})

/** Starts a program and gathers what it tells; `taking` gives the room of output back at once. */
async function start(to: CommandTarget, taking = true) {
  const output: Buffer[] = []
  const closed = Promise.withResolvers<ProgramExit | undefined>()
  let exit: ProgramExit | undefined
  let upstream: Upstream | undefined
  const early: number[] = []
  upstream = await dialCommand(await admission(to), program, {
    output: (_, bytes) => {
      output.push(bytes)
      if (!taking) return
      if (upstream === undefined) early.push(bytes.length)
      else upstream.taken(bytes.length)
    },
    outputEnded: () => undefined,
    exit: (told) => (exit = told),
    closed: () => closed.resolve(exit),
  })
  for (const count of early) upstream.taken(count)
  running.push(upstream)
  const text = () => Buffer.concat(output).toString('utf8').replaceAll('\r\n', '\n')
  return {
    upstream,
    exit: closed.promise,
    text,
    size: () => output.reduce((sum, bytes) => sum + bytes.length, 0),
    output,
  }
}

describe('a command on a terminal', () => {
  test('gives its output whole and its exit status', async () => {
    const { exit, output } = await start(target('stty raw; head -c 3000000 /dev/zero; exit 5'))
    expect(await exit).toEqual({ kind: 'status', status: 5 })
    const bytes = Buffer.concat(output)
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(
      createHash('sha256').update(Buffer.alloc(3_000_000)).digest('hex'),
    )
  })

  test('tells the signal that ended it', async () => {
    const { exit } = await start(target('kill -TERM $$'))
    expect(await exit).toMatchObject({ kind: 'signal', name: 'TERM' })
  })

  test('inherits none of our environment, and of the client its language alone', async () => {
    const { exit, text } = await start(target('env'))
    await exit
    const names = text()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('=', 1)[0] ?? '')
      .sort((left, right) => (left < right ? -1 : 1))
    expect(names).toEqual(['HOME', 'LANG', 'PATH', 'PWD', 'SHLVL', 'TARGETS_OWN', 'TERM', '_'])
  })

  test.runIf(process.platform === 'linux')('inherits none of our descriptors', async () => {
    const { exit, text } = await start(target('ls /proc/self/fd | tr "\\n" " "'))
    await exit
    // 3 is the folder that ls itself reads; what whoever started this process left open to all is not ours.
    const ours = text()
      .trim()
      .split(' ')
      .map(Number)
      .filter((descriptor) => descriptor > 3 && !isLeftOpen(descriptor))
    expect(ours).toEqual([])
  })

  test('has the size of the terminal, and its changes', async () => {
    const { upstream, exit, text } = await start(target('stty size; read; stty size'))
    while (!text().includes('31 97')) await turn()
    upstream.resize({ cols: 120, rows: 40, widthPx: 0, heightPx: 0 })
    upstream.resize({ cols: 0, rows: 0, widthPx: 0, heightPx: 0 })
    upstream.resize({ cols: 120, rows: 2 ** 32 - 1, widthPx: 0, heightPx: 0 })
    upstream.resize({ cols: 120, rows: 40, widthPx: 0, heightPx: 0 })
    upstream.write(Buffer.from('\r'), () => undefined)
    await exit
    expect(text()).toContain('40 120')
  })

  test('gets signals, and ignores those there are not', async () => {
    const { upstream, exit, text } = await start(
      target('trap "echo caught; exit 9" USR1; echo ready; while :; do sleep 0.05; done'),
    )
    while (!text().includes('ready')) await turn()
    upstream.signal('NONSENSE')
    upstream.signal('USR1')
    expect(await exit).toEqual({ kind: 'status', status: 9 })
  })

  test('is held back while nobody takes its output, and loses nothing', async () => {
    const { upstream, exit, size } = await start(target('stty raw; head -c 8000000 /dev/zero'), false)
    for (let [quiet, seen] = [0, -1]; quiet < 500;) {
      await turn()
      quiet = seen === size() ? quiet + 1 : 0
      seen = size()
    }
    expect(size()).toBeLessThan(2 << 20)
    let taken = 0
    let isOver = false
    void exit.then(() => (isOver = true))
    while (!isOver) {
      upstream.taken(size() - taken)
      taken = size()
      await turn()
    }
    expect(size()).toBe(8_000_000)
  })

  test('reads the end of input as the end of a line of nothing', async () => {
    const { upstream, exit, text } = await start(target('cat; echo over'))
    upstream.write(Buffer.from('typed\r'), () => undefined)
    while (!text().includes('typed\ntyped')) await turn()
    upstream.end()
    expect(await exit).toEqual({ kind: 'status', status: 0 })
    expect(text()).toContain('over')
  })

  test('is gone at once when it is closed, with all it started', async () => {
    const { upstream, exit, text } = await start(target('sleep 3600 & echo child-$!; wait'))
    while (!/child-\d+\n/.test(text())) await turn()
    upstream.close()
    expect(await exit).toMatchObject({ kind: 'signal' })
  })

  test('takes no command and no files', async () => {
    const to = await admission(target('true'))
    const listener = {
      output: () => undefined,
      outputEnded: () => undefined,
      exit: () => undefined,
      closed: () => undefined,
    }
    for (const start of [
      { kind: 'exec', command: Buffer.from('id') },
      { kind: 'subsystem', name: 'sftp' },
    ] as const) {
      await expect(dialCommand(to, { ...program, start }, listener)).rejects.toMatchObject({ code: 'usage' })
    }
  })

  test('is not started once its session has ended', async () => {
    const to = await admission(target('true'))
    to.end({ reason: 'revoked', code: 'denied', message: 'revoked' })
    const listener = {
      output: () => undefined,
      outputEnded: () => undefined,
      exit: () => undefined,
      closed: () => undefined,
    }
    await expect(dialCommand(to, program, listener)).rejects.toMatchObject({ code: 'denied' })
  })
})

describe('whom a command runs as', () => {
  test("is never halligan's own user, nor root", () => {
    const own = process.getuid?.() ?? 0
    for (const uid of [own, 0]) {
      expect(runAsProblem(target('true', { runAs: { uid, gid: uid } }))).toMatchObject({ code: 'config_invalid' })
    }
    expect(runAsProblem(target('true'))).toBeUndefined()
  })

  test.runIf(isRoot)('is that user, with no group of ours', async () => {
    const { exit, text } = await start(target('id -u; id -g; id -G', { runAs: { uid: NOBODY, gid: NOBODY } }))
    await exit
    expect(text().trim().split('\n')).toEqual([`${NOBODY}`, `${NOBODY}`, `${NOBODY}`])
    expect(process.getgroups?.()).toContain(0)
  })

  test.runIf(!isRoot)('cannot be another without the right to change', () => {
    expect(runAsProblem(target('true', { runAs: { uid: NOBODY - 1, gid: NOBODY - 1 } }))?.hint).toContain('CAP_SETUID')
  })
})

/** True for a descriptor that this process was started with and that every child of it gets: no O_CLOEXEC. */
function isLeftOpen(descriptor: number): boolean {
  const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8')
  return (Number.parseInt(/flags:\s+(\d+)/.exec(info)?.[1] ?? '0', 8) & 0o2000000) === 0
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
