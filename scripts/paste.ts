// The first five minutes of a newcomer, done by a program: `npm start` in a clone on a terminal, the printed lines pasted
// into another, Ctrl-C, and a look at what is left. Driven by scripts/fresh.sh; seconds are printed, not judged.
//   node scripts/run.cjs node scripts/paste.ts CLONE HOME PATH [USER]
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { readDemoJson, type DemoContract } from '../src/demo/demo-json.ts'
import { STEP_MS, totpCode } from '../src/identity/totp.ts'
import { has } from '../test/support/clients.ts'
import { Terminal } from '../test/support/terminal.ts'

const [clone = '', home = '', path = '', user = ''] = process.argv.slice(2)
/** Packages, page and database on a slow line; beyond it the run hangs. */
const START_LIMIT_MS = 10 * 60_000
/** A prompt of a running demo, TOTP steps included. */
const PROMPT_LIMIT_MS = 90_000
const END_LIMIT_MS = 60_000
/** Seconds another demo may take from its folder to its keeper. */
const ORPHAN_ROUNDS = 15
const state = join(clone, '.halligan', 'demo')

const seconds: [string, number][] = []
let passed = 0
let failed = 0

/** Counts one expectation and says how it went. */
function check(what: string, holds: boolean, otherwise = ''): void {
  if (holds) passed++
  else failed++
  console.log(`${holds ? 'ok    ' : 'FAILED'}  ${what}${holds ? '' : ` ${otherwise}`}`)
}

/** Runs one part; its error is one failure and does not keep the next part from running. */
async function part(what: string, work: () => Promise<void>): Promise<void> {
  const start = performance.now()
  try {
    await work()
    check(what, true)
  } catch (error) {
    check(what, false, (error as Error).message)
  }
  seconds.push([what, (performance.now() - start) / 1000])
}

/** A program on a terminal, as the user, with PATH and HOME and what a terminal itself sets. */
function onTerminal(argv: readonly string[], cwd: string): Terminal {
  const clean = ['env', '-i', `PATH=${path}`, `HOME=${home}`, 'TERM=xterm-256color', ...argv]
  const [file = '', ...args] =
    user === '' ? clean : ['setpriv', `--reuid=${user}`, '--regid=nogroup', '--clear-groups', ...clean]
  return new Terminal(file, args, { cwd, cols: 250, rows: 50 })
}

const before = new Set(temporaryFolders())
/** What ran below the demo at some time. */
const belongsToUs = new Set<string>()
for (const how of ['from nothing', 'again'] as const) {
  const demo = onTerminal(['npm', 'start', '--', '--port-base', '0'], clone)
  await part(`npm start, ${how}`, () => started(demo))
  if (how === 'from nothing') await paste(demo)
  remember(demo.pid)
  await part(`Ctrl-C, ${how}`, () => interrupted(demo))
}
await leftovers()
for (const [what, took] of seconds) console.log(`${took.toFixed(1).padStart(7)} s  ${what}`)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

async function started(demo: Terminal): Promise<void> {
  let ended = false
  void demo.exited.then(() => (ended = true))
  const deadline = performance.now() + START_LIMIT_MS
  while (!existsSync(join(state, 'demo.json'))) {
    if (ended) throw new Error(`it ended: ${demo.screen.slice(-2000)}`)
    if (performance.now() > deadline) throw new Error(`no demo.json after 10 minutes: ${demo.screen.slice(-2000)}`)
    await pause(100)
  }
  // The contract is complete before the lines are printed.
  await demo.expect(/\n3 {2}http/, PROMPT_LIMIT_MS)
}

async function paste(demo: Terminal): Promise<void> {
  const line = (n: number) => new RegExp(`(?:^|\\n)${n} {2}([^\\r\\n]*)`).exec(demo.screen)?.[1] ?? ''
  let contract: DemoContract
  try {
    contract = readDemoJson(state)
  } catch (error) {
    return check('demo.json', false, (error as Error).message)
  }
  const codes = codesOf(contract, 'alice')
  if (has('ssh'))
    await part(`line 1, to the prompt of web-1 and back: ${line(1)}`, () =>
      inShell(async (shell) => {
        shell.type(`${line(1)}\r`)
        await answerUntil(shell, /web-1:~\S* ?\$ /, codes)
        shell.type('echo "the answer is $((40 + 2))"\r')
        await shell.expect('the answer is 42')
        shell.type('exit\r')
        await shell.expect(/closed/)
      }),
    )
  if (has('ssh', 'psql'))
    await part(`line 2, to rows of the shop: ${line(2)}`, () =>
      inShell(async (shell) => {
        shell.type(`${line(2)}\r`)
        await answerUntil(shell, /\w+=> /, codes)
        shell.type("SELECT 'customers: ' || count(*) FROM customers;\r")
        await shell.expect('customers: 200')
        shell.type('\\q\r')
      }),
    )
  await part('line 3, the page', async () => {
    const response = await fetch(line(3))
    const text = await response.text()
    if (response.status !== 200 || !text.includes('<script'))
      throw new Error(`${response.status}: ${text.slice(0, 200)}`)
  })
  await part('the webhook heard of it', async () => {
    const hooks = (await (await fetch(contract.sinks.webhook)).json()) as unknown[]
    if (hooks.length === 0) throw new Error('it got nothing')
  })
}

/** Gives a code that was not used yet, waiting for the next step when this one's was. */
function codesOf(contract: DemoContract, name: string): () => Promise<string> {
  const secret = contract.users[name]?.totpSecret ?? ''
  let lastStep = 0
  return async () => {
    while (Math.floor(Date.now() / STEP_MS) <= lastStep) await pause(STEP_MS - (Date.now() % STEP_MS) + 10)
    lastStep = Math.floor(Date.now() / STEP_MS)
    return totpCode(secret, Date.now())
  }
}

/** Answers what is asked, as a person would, until `goal` is shown. */
async function answerUntil(shell: Terminal, goal: RegExp, nextCode: () => Promise<string>): Promise<void> {
  const asked = new RegExp(
    `(?<code>Code: )|(?<trigger>Trigger [^\\n]*: )|(?<reason>Reason[^\\n]*: )|(?<goal>${goal.source})`,
  )
  for (let round = 0; round < 10; round++) {
    const { groups } = await shell.expect(asked, PROMPT_LIMIT_MS)
    if (groups?.['goal'] !== undefined) return
    if (groups?.['code'] !== undefined) shell.type(`${await nextCode()}\r`)
    else if (groups?.['trigger'] !== undefined) shell.type('1\r')
    else shell.type('trying the first five minutes\r')
  }
  throw new Error(`asked ten times: ${shell.screen}`)
}

/** Works in a shell of the user's and leaves it; it ends in any case. */
async function inShell(work: (shell: Terminal) => Promise<void>): Promise<void> {
  const shell = onTerminal(['sh'], home)
  try {
    await work(shell)
    // What is typed before the shell reads again would go to the program that is ending.
    await shell.expect(/[$#] $/, PROMPT_LIMIT_MS)
    shell.type('exit\r')
    await within(shell.exited, END_LIMIT_MS, () => `the shell stays: ${shell.screen.slice(-500)}`)
  } finally {
    shell.close()
  }
}

async function interrupted(demo: Terminal): Promise<void> {
  demo.type('\u0003')
  try {
    const code = await within(demo.exited, END_LIMIT_MS, () => `it runs on: ${demo.screen.slice(-2000)}`)
    // npm says 130 for an interrupt whatever its program says.
    if (code !== 0 && code !== 130) throw new Error(`exit code ${code}: ${demo.screen.slice(-2000)}`)
  } finally {
    demo.close()
  }
}

async function within<T>(work: Promise<T>, limitMs: number, otherwise: () => string): Promise<T> {
  const signal = new AbortController()
  const tooLate = pause(limitMs, undefined, { signal: signal.signal }).then(() => {
    throw new Error(otherwise())
  })
  try {
    return await Promise.race([work, tooLate])
  } finally {
    tooLate.catch(() => undefined)
    signal.abort()
  }
}

async function leftovers(): Promise<void> {
  check('no demo.json is left', !existsSync(join(state, 'demo.json')))
  const folders = await orphanedFolders()
  check('no temporary folder is left', folders.length === 0, folders.join(' '))
  const left = processes().filter(({ id, command }) => belongsToUs.has(id) || command.includes(clone))
  check('no process is left', left.length === 0, left.map(({ command }) => command).join('; '))
  const git = spawnSync('git', ['-c', 'safe.directory=*', 'status', '--porcelain'], { cwd: clone, encoding: 'utf8' })
  check('the clone is as it was', git.status === 0 && git.stdout === '', `${git.stdout}${git.stderr}`)
}

/** New folders that no process names; another demo on this machine has a keeper that does, soon after it began. */
async function orphanedFolders(): Promise<string[]> {
  for (let round = 0; ; round++) {
    const running = processes()
    const orphaned = temporaryFolders().filter(
      (name) => !before.has(name) && !running.some(({ command }) => command.includes(name)),
    )
    if (orphaned.length === 0 || round === ORPHAN_ROUNDS) return orphaned
    await pause(1000)
  }
}

function temporaryFolders(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('halligan-demo-'))
}

interface Process {
  readonly pid: number
  readonly parent: number
  /** Number and start time: a number alone may belong to somebody else by now. */
  readonly id: string
  readonly command: string
}

/** The machine's processes but this one, where /proc tells. */
function processes(): Process[] {
  if (!existsSync('/proc/self/stat')) return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      const stat = readProcess(name, 'stat')
      // proc(5): the name in parentheses may hold anything; from behind it, state is 0, parent 1, start time 19.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const command = readProcess(name, 'cmdline').replaceAll('\0', ' ')
      // A zombie has no command line: it waits for its parent, not for us.
      if (command === '' || command.includes('paste.ts')) return []
      return [{ pid: Number(name), parent: Number(fields[1]), id: `${name}@${fields[19]}`, command }]
    })
}

/** Notes whatever runs below the demo now, in sessions of their own too, to look for it at the end. */
function remember(root: number): void {
  const all = processes()
  const below = new Set([root])
  // Parents come first by number only until the numbers wrap: look until nothing is added.
  for (let size = 0; size < below.size;) {
    size = below.size
    for (const { pid, parent } of all) if (below.has(parent)) below.add(pid)
  }
  for (const { pid, id } of all) if (below.has(pid)) belongsToUs.add(id)
}

function readProcess(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    // It ended while we looked, or is not ours to see.
    return ''
  }
}
