// A real OpenSSH server, a daemon of its own as the present user: what Halligan leads to, what `ssh -J` jumps through,
// and what stands beside both.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { newEd25519Key } from '../src/sshwire/new-key.ts'
import { freePort } from './port.ts'

export interface Sshd {
  readonly host: string
  readonly port: number
  readonly account: string
  /** `ssh-ed25519 BASE64` */
  readonly hostKey: string
  stop(): Promise<void>
}

const START_LIMIT_MS = 10_000
const HOST = '127.0.0.1'

/** Starts `program` below `folder`; the public keys may log in. Throws when it does not accept connections in ten seconds. */
export async function startSshd(program: string, folder: string, publicKeys: readonly string[]): Promise<Sshd> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  // Debian's sshd wants this folder for its unprivileged half.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  const hostKey = newEd25519Key()
  const path = (name: string) => join(folder, name)
  writeFileSync(path('host'), hostKey.privateKey, { mode: 0o600 })
  writeFileSync(path('authorized'), publicKeys.map((key) => `${key}\n`).join(''))
  chmodSync(path('authorized'), 0o600)
  const port = await freePort()
  const settings = {
    ListenAddress: HOST,
    Port: port,
    HostKey: path('host'),
    AuthorizedKeysFile: path('authorized'),
    StrictModes: 'no',
    UsePAM: 'no',
    PasswordAuthentication: 'no',
    PermitRootLogin: 'yes',
    PidFile: 'none',
    PrintMotd: 'no',
    MaxStartups: '1000',
    Subsystem: 'sftp internal-sftp',
    LogLevel: 'ERROR',
    // Without the start-up files of the account: what they do is not what is measured, and they may wait for a lock.
    SetEnv: `HOME=${folder}`,
  }
  writeFileSync(
    path('config'),
    Object.entries(settings)
      .map(([name, value]) => `${name} ${value}\n`)
      .join(''),
  )
  const child = spawn(program, ['-D', '-e', '-f', path('config')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const ended = once(child, 'exit')
  const deadline = performance.now() + START_LIMIT_MS
  while (!(await accepts(port))) {
    if (child.exitCode !== null || performance.now() > deadline) throw new Error(`sshd did not start: ${log}`)
    await pause(50)
  }
  return {
    host: HOST,
    port,
    account: userInfo().username,
    hostKey: hostKey.publicKey.split(' ').slice(0, 2).join(' '),
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect({ host: HOST, port })
  return new Promise((resolve) => {
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
