// What an installation is, on disk: its name, its keys, its certificate. Made at the first start, read at every later one;
// each file 0600 in the 0700 state directory, written whole or not at all.

import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ssh2 from 'ssh2'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import {
  encodeInstallationKey,
  installationKey,
  ledgerOrigin,
  noteSigner,
  type NoteSigner,
} from '../ledger/note-key.ts'
import { newEd25519Key } from '../sshwire/new-key.ts'
import { selfSigned } from '../pgwire/certificate.ts'

export interface Installation {
  /** Eight hex digits: in the ledger's origin and in the names of roles and alerts. */
  readonly name: string
  readonly logSigner: NoteSigner
  /** Where the epoch chain keeps its one private key. */
  readonly epochKeyFile: string
  /** OpenSSH private key text. */
  readonly sshHostKey: string
  /** `ssh-ed25519 AAAA…` for known_hosts. */
  readonly sshHostPublicKey: string
  readonly postgres: { readonly cert: string; readonly key: string; readonly caFile: string }
  readonly saltKey: Buffer
  /** The file users pin: written by `publishKey`, once the genesis key of the epochs is known. */
  readonly publicKeyFile: string
}

/** A certificate outlives any state directory's first years; `halligan doctor` will warn before its end. */
const CERTIFICATE_DAYS = 825

/** Reads the installation's keys, making what is missing. Throws `config_invalid` when a file is not what it should be. */
export function openInstallation(directory: string, hostnames: readonly string[], clock: Clock): Installation {
  const keys = join(directory, 'keys')
  mkdirSync(keys, { recursive: true, mode: 0o700 })
  const name = readOrMake(join(keys, 'installation'), () => randomBytes(4).toString('hex')).trim()
  const seed = Buffer.from(
    readOrMake(join(keys, 'log'), () => randomBytes(32).toString('base64')),
    'base64',
  )
  const saltKey = Buffer.from(
    readOrMake(join(keys, 'salt'), () => randomBytes(32).toString('base64')),
    'base64',
  )
  if (seed.length !== 32 || saltKey.length !== 32)
    throw new HalliganError('config_invalid', `a key in ${keys} is damaged`, {
      hint: 'restore the folder from its backup',
    })
  const sshHostKey = readOrMake(join(keys, 'ssh_host_ed25519'), () => newEd25519Key().privateKey)
  return {
    name,
    logSigner: noteSigner(ledgerOrigin(name), seed),
    epochKeyFile: join(keys, 'epoch'),
    sshHostKey,
    sshHostPublicKey: publicLineOf(sshHostKey),
    postgres: postgresCertificate(keys, hostnames, clock),
    saltKey,
    publicKeyFile: join(directory, 'halligan.pub'),
  }
}

/**
 * Writes the two lines users pin, at the first start: the ledger's key and the genesis key of the epochs. What they have
 * pinned is never changed. False: the journal's chain begins with another key than the pinned one, as it does where the
 * old chain was lost; that keeps nobody out, and is for the caller to tell. Throws `config_invalid` when the ledger's key
 * is not the pinned one.
 */
export function publishKey(installation: Installation, genesis: Uint8Array): boolean {
  const text = encodeInstallationKey(installationKey(installation.name, installation.logSigner.publicKey, genesis))
  const kept = readOrMake(installation.publicKeyFile, () => text)
  if (kept === text) return true
  const ledgerKey = text.slice(0, text.indexOf('\n') + 1)
  if (kept.startsWith(ledgerKey)) return false
  throw new HalliganError(
    'config_invalid',
    `${installation.publicKeyFile} does not fit the keys of this installation`,
    {
      hint: 'the state directory was mixed with another one; restore it from its backup',
    },
  )
}

function postgresCertificate(keys: string, hostnames: readonly string[], clock: Clock): Installation['postgres'] {
  const file = (name: string) => join(keys, `postgres.${name}`)
  if (!existsSync(file('crt'))) {
    const made = selfSigned({
      commonName: 'halligan',
      altNames: hostnames,
      now: clock.now(),
      validDays: CERTIFICATE_DAYS,
    })
    writeDurably(file('ca.crt'), made.ca)
    writeDurably(file('key'), made.key)
    writeDurably(file('crt'), made.cert)
  }
  return { cert: readFileSync(file('crt'), 'utf8'), key: readFileSync(file('key'), 'utf8'), caFile: file('ca.crt') }
}

function publicLineOf(privateKey: string): string {
  const parsed = ssh2.utils.parseKey(privateKey)
  if (parsed instanceof Error)
    throw new HalliganError('config_invalid', `the ssh host key cannot be read`, { cause: parsed })
  return `${parsed.type} ${parsed.getPublicSSH().toString('base64')}`
}

function readOrMake(path: string, make: () => string): string {
  if (!existsSync(path)) writeDurably(path, make())
  return readFileSync(path, 'utf8')
}

/** Temporary file, write, fsync, rename, fsync of the directory: the file is there whole, or not at all. */
export function writeDurably(path: string, text: string): void {
  const temporary = `${path}.new`
  const descriptor = openSync(temporary, 'w', 0o600)
  try {
    writeSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(temporary, path)
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
