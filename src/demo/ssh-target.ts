// The demo's SSH target `web-1`: our own small server with PTY shell, exec and sftp, for machines that have no sshd.
// It takes one key, made for this run and known to Halligan alone, and runs children as somebody who is not root.
import { timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import ssh2, { type AuthContext, type Connection, type ParsedKey, type ServerConfig } from 'ssh2'
import { HalliganError } from '../errors.ts'
import { sshLog } from '../log.ts'
import { newEd25519Key } from '../sshwire/new-key.ts'
import { demoAccount, temporaryFolder } from './account.ts'
import { startKeeper } from './keeper.ts'
import { sftpProgram, type SftpChoice } from './sftp-program.ts'
import { makeShellHome } from './shell-home.ts'
import { serveSession, type SessionPorts } from './ssh-target-session.ts'

const HOST = '127.0.0.1'
/** A bastion holds one connection per session; nobody has more open in a demo. */
const MOST_CONNECTIONS = 64
/** sshd's LoginGraceTime is 120 s; ours logs in without a person typing. */
const LOGIN_GRACE_MS = 20_000
/** sshd's MaxAuthTries. */
const MOST_ATTEMPTS = 6
/** sshd's MaxSessions. */
const MOST_SESSIONS = 10

/** What ssh2 can do and OpenSSH still likes; group exchange is announced by default but not built for servers. */
const algorithms = {
  kex: ['curve25519-sha256', 'curve25519-sha256@libssh.org', 'ecdh-sha2-nistp256'],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes256-ctr'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-256'],
  compress: ['none'],
} as const

export interface DemoSshTarget {
  readonly host: string
  readonly port: number
  /** `ssh-ed25519 BASE64`, to be pinned. */
  readonly hostKey: string
  /** OpenSSH text of the one private key that logs in. */
  readonly privateKey: string
  /** The shell's home; goes with the target. */
  readonly home: string
  /** Ends the server and everything it started, and removes the home; may be called more than once. */
  stop(): Promise<void>
}

/**
 * Starts the target on a free port of 127.0.0.1. `accounts` are the user names it lets in, all the same person to the
 * system: `nobody` where we are root, else the caller.
 */
export async function startDemoSshTarget(options: {
  readonly name: string
  readonly accounts: readonly string[]
  /** `own` runs our sftp server even where the system has one. */
  readonly sftp?: SftpChoice
}): Promise<DemoSshTarget> {
  const account = demoAccount()
  const { folder, filled } = await temporaryFolder('demo-ssh', account, (fresh) => ({
    home: makeShellHome(fresh, options.name),
    sftp: sftpProgram(fresh, account, options.sftp ?? 'system'),
  }))
  const keeper = startKeeper(folder, account)
  try {
    return await listen(options.accounts, { ...filled, account, keeper, mostSessions: MOST_SESSIONS })
  } catch (error) {
    await keeper.end()
    throw error
  }
}

async function listen(accounts: readonly string[], ports: SessionPorts): Promise<DemoSshTarget> {
  const hostKeys = newEd25519Key()
  const userKeys = newEd25519Key()
  const accepted = ssh2.utils.parseKey(userKeys.publicKey)
  if (accepted instanceof Error)
    throw new HalliganError('internal', 'ssh2 cannot read its own key', { cause: accepted })

  const config = {
    hostKeys: [hostKeys.privateKey],
    algorithms,
    // Not OpenSSH's name: the library has no end-of-write, so a reader that has had enough must close the channel here.
    ident: 'halligan-demo',
  } as unknown as ServerConfig
  const server = new ssh2.Server(config, (connection) => serve(connection, accounts, accepted, ports))
  const sockets = new Set<Socket>()
  const listener = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    server.injectSocket(socket)
  })
  listener.maxConnections = MOST_CONNECTIONS
  listener.listen(0, HOST)
  await once(listener, 'listening')
  const [type = '', blob = ''] = hostKeys.publicKey.split(' ')
  return {
    host: HOST,
    port: (listener.address() as AddressInfo).port,
    hostKey: `${type} ${blob}`,
    privateKey: userKeys.privateKey,
    home: ports.home.folder,
    stop: async () => {
      listener.close()
      for (const socket of sockets) socket.destroy()
      await ports.keeper.end()
    },
  }
}

function serve(connection: Connection, accounts: readonly string[], accepted: ParsedKey, ports: SessionPorts): void {
  let attempts = 0
  const grace = setTimeout(() => connection.end(), LOGIN_GRACE_MS).unref()
  connection.on('error', (error) => sshLog.debug('demo.connection-error', { error }))
  connection.on('close', () => clearTimeout(grace))
  connection.on('authentication', (context) => {
    if (mayLogIn(context, accounts, accepted)) return context.accept()
    if (++attempts > MOST_ATTEMPTS) return connection.end()
    context.reject(['publickey'])
  })
  connection.on('ready', () => {
    clearTimeout(grace)
    let sessions = 0
    connection.on('session', (accept, reject) => {
      if (sessions >= ports.mostSessions) return reject()
      sessions++
      serveSession(
        accept().once('close', () => sessions--),
        ports,
      )
    })
  })
}

/** RFC 4252 §7: the one key, by its own signature; a probe without one is answered but proves nothing. */
function mayLogIn(context: AuthContext, accounts: readonly string[], accepted: ParsedKey): boolean {
  if (context.method !== 'publickey' || !accounts.includes(context.username)) return false
  const known = accepted.getPublicSSH()
  const { data } = context.key
  if (data.length !== known.length || !timingSafeEqual(data, known)) return false
  if (!context.signature || !context.blob) return true
  // Not what its type says: an Error where the signature cannot be read.
  const verified: unknown = accepted.verify(context.blob, context.signature, context.hashAlgo)
  return verified === true
}
