// The `ssh` and `psql` that people have, as the clients of a story: nobody's settings, the bastion's own keys pinned.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { Clients } from '../../src/drill/clients.ts'
import type { Held } from '../../src/drill/held-sessions.ts'
import type { PostgresLogin, PostgresPlace } from '../../src/drill/psql-client.ts'
import type { SshLogin, SshPlace } from '../../src/drill/ssh-client.ts'
import { cleanEnv, run } from '../support/terminal.ts'
import { Askpass } from './askpass.ts'

type Child = ChildProcessByStdio<Writable, Readable, Readable>

/** As long as a story's own clients wait. */
const COMMAND_MS = 40_000
/** OpenSSH's status when it could not log in, or lost its connection. */
const SSH_FAILED = 255

/** `folder` keeps keys, pins and what passes between ssh and whoever types. */
export function realClients(folder: string): Clients {
  return {
    async runSsh(place, login, command) {
      const askpass = new Askpass(folder, (prompt) => login.answer(prompt, 'login'))
      const child = startSsh(folder, place, login, command, askpass)
      askpass.hangUp = () => kill(child)
      const said = { stdout: '', stderr: '' }
      const prompts: string[] = []
      let answered = 0
      child.stdout.on('data', (bytes: Buffer) => (said.stdout += bytes.toString()))
      child.stderr.on('data', (bytes: Buffer) => {
        said.stderr += bytes.toString()
        // A command asks on stderr and reads lines from stdin.
        const prompt = /(?:^|\n)([^\n]*: )$/.exec(said.stderr.slice(answered))?.[1]
        if (prompt === undefined) return
        answered = said.stderr.length
        prompts.push(prompt)
        void login
          .answer(prompt, 'command')
          .then((answer) => (answer === undefined ? child.stdin.end() : child.stdin.write(`${answer}\n`)))
      })
      const timer = setTimeout(() => kill(child), COMMAND_MS)
      const status = await ended(child)
      clearTimeout(timer)
      askpass.close()
      const asked = [...askpass.prompts, ...prompts]
      const isRefused = status === null || (status === SSH_FAILED && /Permission denied/.test(said.stderr))
      if (isRefused) return { status: null, stdout: '', stderr: 'login refused', prompts: asked }
      return { status, ...said, prompts: asked }
    },
    async holdSsh(place, login, command, nowUs) {
      const askpass = new Askpass(folder, (prompt) => login.answer(prompt, 'login'))
      const child = startSsh(folder, place, login, command, askpass)
      askpass.hangUp = () => kill(child)
      return held(child, nowUs, () => askpass.close())
    },
    async runPsql(place, login, sql) {
      const { args, env } = psqlOf(folder, place, login, sql)
      const { status, stdout, stderr } = await run('psql', args, { env, timeoutMs: COMMAND_MS })
      if (status === 0) return { kind: 'rows', text: stdout.toString().trimEnd() }
      return { kind: 'refused', sqlstate: `psql ${status}`, message: stderr }
    },
    async holdPsql(place, login, sql, nowUs) {
      const { args, env } = psqlOf(folder, place, login, sql)
      return held(spawn('psql', args, { env, detached: true, stdio: 'pipe' }), nowUs, () => undefined)
    },
  }
}

function startSsh(folder: string, place: SshPlace, login: SshLogin, command: string, askpass: Askpass): Child {
  const options = {
    IdentitiesOnly: 'yes',
    UserKnownHostsFile: kept(folder, 'known-hosts', `[${place.host}]:${place.port} ${place.hostKey}\n`),
    GlobalKnownHostsFile: '/dev/null',
    StrictHostKeyChecking: 'yes',
    PreferredAuthentications: 'publickey,keyboard-interactive',
    NumberOfPasswordPrompts: '3',
    LogLevel: 'ERROR',
  }
  const key = kept(folder, 'key', login.privateKey)
  const args = ['-F', '/dev/null', '-T', '-p', String(place.port), '-l', login.login, '-i', key]
  for (const [name, value] of Object.entries(options)) args.push('-o', `${name}=${value}`)
  // A session of its own, so that ssh finds no terminal of ours to ask on.
  const child = spawn('ssh', [...args, place.host, command], {
    env: cleanEnv(askpass.env),
    detached: true,
    stdio: 'pipe',
  })
  child.stdin.on('error', () => {
    // It may end before it has read everything: its status tells.
  })
  return child
}

function psqlOf(
  folder: string,
  place: PostgresPlace,
  { user, secret, database }: PostgresLogin,
  sql: string,
): { readonly args: readonly string[]; readonly env: Record<string, string> } {
  const env = cleanEnv({
    PGHOST: 'localhost',
    PGHOSTADDR: place.host,
    PGPORT: String(place.port),
    PGUSER: user,
    PGPASSWORD: secret,
    PGDATABASE: database,
    PGSSLMODE: 'verify-full',
    PGSSLROOTCERT: kept(folder, 'ca', place.ca),
    PGCHANNELBINDING: 'require',
    PGCONNECT_TIMEOUT: '15',
  })
  return { args: ['-X', '-q', '-A', '-t', '-F', '|', '-v', 'ON_ERROR_STOP=1', '-c', sql], env }
}

function held(child: Child, nowUs: () => number, over: () => void): Held {
  let isOpen = true
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (said += bytes.toString()))
  child.stdin.on('error', () => {
    // It was ended.
  })
  const whenEnded = ended(child).then(() => {
    isOpen = false
    over()
    return { atUs: nowUs(), said }
  })
  return { ended: whenEnded, isOpen: () => isOpen, close: () => kill(child) }
}

/** With what it has started, such as the program that asks. */
function kill(child: Child): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  process.kill(-child.pid, 'SIGKILL')
}

/** Its status; null when it was killed. */
function ended(child: Child): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status) => resolve(status))
  })
}

/** A file with that content, made once. */
function kept(folder: string, name: string, content: string): string {
  const file = join(folder, `${name}-${createHash('sha256').update(content).digest('hex').slice(0, 16)}`)
  writeFileSync(file, content, { mode: 0o600 })
  return file
}

/** A folder of the house's own for `realClients`. */
export function clientFolder(house: string): string {
  return mkdtempSync(join(house, 'clients-'))
}
