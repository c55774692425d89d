// A real OpenSSH server as target, run as the present user from a folder of its own, one process per connection.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { programPath } from '../support/clients.ts'

/** sshd runs everything through the user's login shell; accounts like `nobody` have none that runs anything. */
export const hasLoginShell: boolean = !/\/(nologin|false)$/.test(userInfo().shell ?? '')

export interface OpenSsh {
  readonly port: number
  readonly account: string
  /** Connections taken so far. */
  readonly connections: () => number
  close(): Promise<void>
}

/** `folder` holds `host` and `host.pub` (made by ssh-keygen) and `authorized`, the public key that may log in. */
export async function openSsh(folder: string): Promise<OpenSsh> {
  // Debian's sshd wants this folder for its unprivileged half, even for one connection.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  const config = join(folder, 'sshd_config')
  const lines = {
    HostKey: join(folder, 'host'),
    AuthorizedKeysFile: join(folder, 'authorized'),
    StrictModes: 'no',
    UsePAM: 'no',
    PasswordAuthentication: 'no',
    PermitRootLogin: 'yes',
    PidFile: 'none',
    PrintMotd: 'no',
    AcceptEnv: 'LANG LC_* HALLIGAN_*',
    // Not the start-up files of whoever runs the tests.
    SetEnv: `HOME=${folder}`,
    Subsystem: 'sftp internal-sftp',
    LogLevel: 'ERROR',
  }
  writeFileSync(
    config,
    Object.entries(lines)
      .map(([name, value]) => `${name} ${value}\n`)
      .join(''),
  )
  const children = new Set<ChildProcess>()
  let count = 0
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    count++
    const child = serve(config, socket)
    children.add(child)
    child.on('close', () => children.delete(child))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    account: userInfo().username,
    connections: () => count,
    close: async () => {
      for (const child of children) child.kill('SIGKILL')
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

function serve(config: string, socket: Socket): ChildProcess {
  const child = spawn(programPath('sshd') ?? 'sshd', ['-i', '-e', '-f', config], { stdio: [socket, socket, 'inherit'] })
  socket.on('error', () => child.kill())
  child.on('close', () => socket.destroy())
  // The child has the descriptor now; ours must not hold the connection open.
  socket.unref()
  socket.destroy()
  return child
}
