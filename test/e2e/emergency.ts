// People at work on the targets through Halligan, without a pause: somebody types, something is uploaded, statements run.
// Each says afterwards what its target received and holds it against the recording.
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { EventLine } from '../../src/recording/event-line.ts'
import { has } from '../support/clients.ts'
import { cleanEnv, type Terminal } from '../support/terminal.ts'
import { factsOf, streamOf } from './evidence.ts'
import type { Surroundings } from './surroundings.ts'
import { until } from './until.ts'

/** A person's fastest is 100 ms; here it is as fast as timers go. */
const TYPE_MS = 1

/** Text typed into a shell, byte by byte into a file: the target's own view of it. */
export class Typing {
  readonly terminal: Terminal
  readonly #file: string
  readonly #command: string
  readonly #timer: NodeJS.Timeout
  #words = 0

  private constructor(terminal: Terminal, file: string, command: string) {
    this.terminal = terminal
    this.#file = file
    this.#command = command
    // Letters of two and four bytes: some arrive in two pieces.
    this.#timer = setInterval(
      () => terminal.type(`${this.#words++} naïve 🔥${this.#words % 20 === 0 ? '\n' : ' '}`),
      TYPE_MS,
    )
    void terminal.exited.then(() => clearInterval(this.#timer))
  }

  static async start(world: Surroundings, user: string): Promise<Typing> {
    const file = join(world.drop, `${user}.typed`)
    const terminal = await world.breakGlass(user, 'web-1')
    await terminal.expect('web-1:')
    // Each byte as it comes, not each line.
    const command = `trap 'echo > ${file}.over' EXIT; stty -icanon -icrnl; cat > ${file}\r`
    terminal.type(command)
    await until('the target reads what is typed', () => existsSync(file))
    return new Typing(terminal, file, command)
  }

  receivedBytes(): number {
    return sizeOf(this.#file)
  }

  /** Resolves when the target takes nothing more. */
  async over(): Promise<void> {
    await this.terminal.exited
    await until('the shell on the target has ended', () => existsSync(`${this.#file}.over`))
  }

  check(lines: readonly EventLine[]): void {
    const typed = streamOf(lines, 'i')
    const from = typed.indexOf(this.#command)
    expect(from).toBeGreaterThanOrEqual(0)
    expectBeginsWith(typed.subarray(from + this.#command.length), readFileSync(this.#file))
    expectBeginsWith(streamOf(lines, 'o'), this.#shown())
  }

  /** The target's output that the person has seen, without Halligan's lines before it and ssh's behind it. */
  #shown(): Buffer {
    const [, shown = ''] = this.terminal.screen.split(/recorded, grant [^\n]*\n/)
    const [output = ''] = shown.split(/(?:\r?\n)*(?:halligan: |Connection (?:to|reset)|client_loop: )/)
    // A last character that was cut in two.
    return Buffer.from(output.replace(/\ufffd+$/, ''))
  }
}

/** Bytes streamed into a file on the target without a terminal: first as text, then as bulk. */
export class Upload {
  readonly #client: ChildProcess
  readonly #file: string
  readonly #content: Buffer
  readonly #exited: Promise<unknown>
  #told = ''

  private constructor(client: ChildProcess, file: string, content: Buffer) {
    this.#client = client
    this.#file = file
    this.#content = content
    this.#exited = once(client, 'exit')
    client.stderr?.on('data', (chunk: Buffer) => (this.#told += chunk.toString()))
  }

  /** The target waits for `content`; `begin` sends it. */
  static async open(world: Surroundings, user: string, content: Buffer): Promise<Upload> {
    const file = join(world.drop, `${user}.upload`)
    const command = `trap 'echo > ${file}.over' EXIT; cat > ${file}`
    const client = spawn('/usr/bin/ssh', [...world.sshArguments, `${user}.web-1`, command], {
      detached: true,
      env: cleanEnv(),
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    const upload = new Upload(client, file, content)
    await until('the target waits for the upload', () => existsSync(file))
    return upload
  }

  begin(): void {
    feed(this.#client, this.#content)
  }

  /** What the person is told. */
  get told(): string {
    return this.#told
  }

  get status(): number | null {
    return this.#client.exitCode
  }

  receivedBytes(): number {
    return sizeOf(this.#file)
  }

  async over(): Promise<void> {
    await this.#exited
    await until('the upload on the target has ended', () => existsSync(`${this.#file}.over`))
  }

  check(lines: readonly EventLine[]): void {
    const received = readFileSync(this.#file)
    expectBeginsWith(this.#content, received)
    const whole = streamOf(lines, 'i')
    expectBeginsWith(this.#content, whole)
    let recordedBytes = whole.length
    const hash = createHash('sha256').update(whole)
    for (const { stream, offset, length, sha256 } of factsOf(lines, 'h')) {
      expect({ stream, offset }).toEqual({ stream: 'i', offset: recordedBytes })
      hash.update(this.#content.subarray(recordedBytes, (recordedBytes += Number(length))))
      expect(sha256).toBe(hash.copy().digest('hex'))
    }
    expect(received.length).toBeLessThanOrEqual(recordedBytes)
  }
}

/** More than a session gets done before it is cut. */
const STATEMENTS = 20_000

/**
 * Rows inserted by psql one by one, in transactions and by COPY, and with bound parameters by pgbench where it is there.
 * Each row has a number of its own, and each draws from a sequence, which no rollback takes back.
 */
export class Statements {
  readonly dsn: string
  readonly #psql: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #world: Surroundings
  readonly #user: string
  readonly #arrivalsBefore: number
  #told = ''

  private constructor(
    world: Surroundings,
    user: string,
    dsn: string,
    clients: [ChildProcess, ...ChildProcess[]],
    arrivals: number,
  ) {
    this.#world = world
    this.#user = user
    this.dsn = dsn
    this.#arrivalsBefore = arrivals
    this.#exited = Promise.all(clients.map((client) => once(client, 'exit')))
    this.#psql = clients[0]
    this.#psql.stderr?.on('data', (chunk: Buffer) => (this.#told += chunk.toString()))
  }

  /** Once, before the first: the table that takes the rows. */
  static async prepare(world: Surroundings): Promise<void> {
    await world.ask(
      `CREATE TABLE received (who text, n int, arrival bigserial);
       GRANT INSERT ON received TO app_readwrite;
       GRANT USAGE ON SEQUENCE received_arrival_seq TO app_readwrite`,
    )
  }

  static async start(world: Surroundings, user: string): Promise<Statements> {
    const dsn = await world.dsn(user)
    const arrivals = await arrivalsOf(world)
    const psql = spawn('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', '-', dsn], {
      env: cleanEnv(),
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    feed(psql, Buffer.from(Array.from({ length: STATEMENTS }, (_, n) => statement(`${user}/psql`, n)).join('')))
    const benches = has('pgbench') ? [pgbench(world, user, dsn)] : []
    return new Statements(world, user, dsn, [psql, ...benches], arrivals)
  }

  /** psql's exit status. */
  get status(): number | null {
    return this.#psql.exitCode
  }

  /** What psql said on stderr. */
  get told(): string {
    return this.#told
  }

  /** Rows committed so far. */
  async receivedRows(): Promise<number> {
    return (await this.#received()).length
  }

  async over(): Promise<void> {
    await this.#exited
    const running = `SELECT pid FROM pg_stat_activity WHERE usename = 'app_readwrite'`
    await until(
      'the database has noticed that its clients are gone',
      async () => (await this.#world.ask(running)).length === 0,
    )
  }

  /** `recordings`: the lines of each of the user's connections. */
  async check(recordings: readonly (readonly EventLine[])[]): Promise<void> {
    const recorded = new Set(recordings.flatMap((lines) => recordedRows(this.#user, lines)))
    const unrecorded = (await this.#received()).filter((row) => !recorded.has(row))
    expect(unrecorded).toEqual([])
    const arrived = (await arrivalsOf(this.#world)) - this.#arrivalsBefore
    expect(arrived).toBeGreaterThan(0)
    expect(arrived).toBeLessThanOrEqual(recorded.size)
  }

  async #received(): Promise<string[]> {
    const rows = await this.#world.ask<{ row: string }>(
      `SELECT who || ' ' || n AS row FROM received WHERE who LIKE '${this.#user}/%'`,
    )
    return rows.map(({ row }) => row)
  }
}

/** Rows that were drawn a number for, committed or not. */
async function arrivalsOf(world: Surroundings): Promise<number> {
  const [row] = await world.ask<{ count: string }>(
    'SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS count FROM received_arrival_seq',
  )
  return Number(row?.count)
}

function statement(who: string, n: number): string {
  const insert = `INSERT INTO received (who, n) VALUES ('${who}', ${n});\n`
  switch (n % 10) {
    case 3:
      return `BEGIN;\n${insert}`
    case 6:
      return `${insert}COMMIT;\n`
    case 8:
      return `COPY received (who, n) FROM STDIN;\n${who}\t${n}\n${who}\t${n + STATEMENTS}\n\\.\n`
    default:
      return insert
  }
}

/** Three connections at once, each with a prepared statement. */
function pgbench(world: Surroundings, user: string, dsn: string): ChildProcess {
  const file = join(world.folder, `${user}.pgbench`)
  writeFileSync(file, `\\set n :n + 1\nINSERT INTO received (who, n) VALUES ('${user}/' || :client_id, :n);\n`)
  const options = ['-n', '-c', '3', '-T', '60', '-M', 'prepared', '-D', 'n=0', '-f', file]
  return spawn('pgbench', [...options, dsn], { env: cleanEnv(), stdio: 'ignore' })
}

/** `who n` of every row that the recording holds, however it was sent. */
function recordedRows(user: string, lines: readonly EventLine[]): string[] {
  const queries = factsOf(lines, 'q').flatMap(({ sql }) => [...String(sql).matchAll(/VALUES \('([^']+)', (\d+)\)/g)])
  const copied = [
    ...streamOf(lines, 'i')
      .toString()
      .matchAll(/^(\S+)\t(\d+)$/gm),
  ]
  const bound = factsOf(lines, 'p').map(({ values }) => {
    const [client, n] = values as unknown[]
    return `${user}/${String(client)} ${String(n)}`
  })
  return [...[...queries, ...copied].map(([, who, n]) => `${String(who)} ${String(n)}`), ...bound]
}

function feed(client: ChildProcess, bytes: Buffer): void {
  // It is cut in the middle: that is the point.
  client.stdin?.on('error', () => undefined)
  client.stdin?.end(bytes)
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

/** Says where they part, instead of printing megabytes. */
function expectBeginsWith(whole: Buffer, beginning: Buffer): void {
  const same = whole.subarray(0, beginning.length)
  if (same.equals(beginning)) return
  let at = 0
  while (at < same.length && same[at] === beginning[at]) at++
  const near = (bytes: Buffer) => JSON.stringify(bytes.subarray(Math.max(0, at - 20), at + 60).toString())
  expect.fail(
    `${beginning.length} bytes are not the first of ${whole.length}: from ${at} on ${near(beginning)}, not ${near(whole)}`,
  )
}
