// The ssh client of a drill: from this machine, over loopback, to the bastion's own listener, with its own host key
// pinned. It runs a command to its end, or holds a channel open and says when it was closed.

import ssh2 from 'ssh2'
import { HalliganError } from '../errors.ts'
import type { Held } from './held-sessions.ts'

/** The bastion as its clients reach it. */
export interface SshPlace {
  readonly host: string
  readonly port: number
  /** `ssh-ed25519 BASE64`. */
  readonly hostKey: string
}

export interface SshLogin {
  /** `alice`, `alice+deploy@web-1`. */
  readonly login: string
  /** OpenSSH private key. */
  readonly privateKey: string
  /** What is typed at a prompt, while logging in or as a line of a command's input; undefined: hang up, or end of file. */
  readonly answer: (prompt: string, at: 'login' | 'command') => Promise<string | undefined>
}

/** How a command went. */
export interface SshRan {
  /** Exit status; null where the login or the channel was cut. */
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
  /** What was asked, in order. */
  readonly prompts: readonly string[]
}

/** A bastion in order answers within moments. */
const READY_MS = 15_000
/** Output kept of one command: more is not looked at. */
const MAX_OUTPUT = 64 << 10
/** One command of a story; waiting for an approval is not done inside of one. */
const COMMAND_MS = 40_000

/** Runs `command` and gives how it went; a refused login is `status: null` with what was asked. Throws `unreachable`. */
export async function runSsh(place: SshPlace, login: SshLogin, command: string): Promise<SshRan> {
  const prompts: string[] = []
  const client = await connected(place, login, prompts)
  if (client === undefined) return { status: null, stdout: '', stderr: 'login refused', prompts }
  const timer = setTimeout(() => client.destroy(), COMMAND_MS)
  try {
    return { ...(await execute(client, login, command, prompts)), prompts }
  } finally {
    clearTimeout(timer)
    client.end()
  }
}

/** Starts `command` and keeps its channel. Throws `unreachable`, or `denied` when the login was refused. */
export async function holdSsh(place: SshPlace, login: SshLogin, command: string, nowUs: () => number): Promise<Held> {
  const client = await connected(place, login, [])
  if (client === undefined) throw new HalliganError('denied', `the login ${login.login} was refused`)
  let isOpen = true
  let said = ''
  const { promise: ended, resolve } = Promise.withResolvers<{ atUs: number; said: string }>()
  const over = (): void => {
    if (!isOpen) return
    isOpen = false
    resolve({ atUs: nowUs(), said })
    client.end()
  }
  client.on('close', over)
  await opened(client, command, (channel) => {
    const listen = (bytes: Buffer): void => {
      if (said.length < MAX_OUTPUT) said += bytes.toString('utf8')
    }
    channel.on('data', listen)
    channel.stderr.on('data', listen)
    channel.on('close', over)
  })
  return { ended, isOpen: () => isOpen, close: () => client.destroy() }
}

async function connected(place: SshPlace, login: SshLogin, prompts: string[]): Promise<ssh2.Client | undefined> {
  const client = new ssh2.Client()
  const { promise, resolve, reject } = Promise.withResolvers<ssh2.Client | undefined>()
  client.on('ready', () => resolve(client))
  client.on('error', (error: Error & { level?: string }) => {
    if (error.level === 'client-authentication') resolve(undefined)
    else reject(unreachable(error))
  })
  client.on('close', () => resolve(undefined))
  client.on('keyboard-interactive', (_name, _instructions, _language, asked, finish) => {
    void answers(login, asked, prompts).then((given) => (given === undefined ? client.destroy() : finish(given)))
  })
  const blob = Buffer.from(place.hostKey.split(' ')[1] ?? '', 'base64')
  client.connect({
    host: place.host,
    port: place.port,
    username: login.login,
    privateKey: login.privateKey,
    tryKeyboard: true,
    readyTimeout: READY_MS,
    hostVerifier: (key: Buffer) => key.equals(blob),
  })
  return promise
}

async function answers(
  login: SshLogin,
  asked: readonly { readonly prompt: string }[],
  prompts: string[],
): Promise<string[] | undefined> {
  const given: string[] = []
  for (const { prompt } of asked) {
    prompts.push(prompt)
    const answer = await login.answer(prompt, 'login')
    if (answer === undefined) return undefined
    given.push(answer)
  }
  return given
}

/** `listen` is called with the channel at once: what a short command says may come with the answer that opens it. */
function opened(client: ssh2.Client, command: string, listen: (channel: ssh2.ClientChannel) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once('close', () => reject(new HalliganError('unreachable', 'the bastion closed the connection')))
    client.exec(command, (error, channel) => {
      if (error !== undefined) return reject(unreachable(error))
      listen(channel)
      resolve()
    })
  })
}

async function execute(
  client: ssh2.Client,
  login: SshLogin,
  command: string,
  prompts: string[],
): Promise<Omit<SshRan, 'prompts'>> {
  const said = { stdout: '', stderr: '' }
  let status: number | null = null
  let answered = 0
  const { promise: over, resolve } = Promise.withResolvers<void>()
  const keep = (stream: 'stdout' | 'stderr', bytes: Buffer): void => {
    if (said[stream].length < MAX_OUTPUT) said[stream] += bytes.toString('utf8')
  }
  client.on('close', () => resolve())
  await opened(client, command, (channel) => {
    channel.on('data', (bytes: Buffer) => keep('stdout', bytes))
    channel.stderr.on('data', (bytes: Buffer) => {
      keep('stderr', bytes)
      // A command asks on stderr and reads lines from stdin.
      const prompt = /(?:^|\n)([^\n]*: )$/.exec(said.stderr.slice(answered))?.[1]
      if (prompt === undefined) return
      answered = said.stderr.length
      prompts.push(prompt)
      void login
        .answer(prompt, 'command')
        .then((answer) => (answer === undefined ? channel.end() : channel.write(`${answer}\n`)))
    })
    channel.on('exit', (code: number | null) => (status = code))
    channel.on('close', () => resolve())
  })
  await over
  return { status, ...said }
}

function unreachable(cause: Error): HalliganError {
  return new HalliganError('unreachable', `the bastion cannot be reached over loopback: ${cause.message}`, {
    cause,
    hint: 'drills need the ssh port on this machine',
  })
}
