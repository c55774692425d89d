// Vectors made by the real ssh-keygen: keys, their fingerprints, and signatures of `ssh-keygen -Y sign`.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SshReader, string } from '../../src/sshwire/reader.ts'

export interface Keygen {
  /** Makes a key pair and gives the path of the private half; the public half is `${path}.pub`. */
  make(name: string, ...flags: string[]): string
  /** Runs ssh-keygen in the folder and gives what it prints. */
  run(...args: string[]): string
  /** Path of a file in the folder. */
  path(name: string): string
  /** Signature over `message` and the bytes that were signed (OpenSSH PROTOCOL.sshsig). */
  sign(key: string, message: string, hash?: 'sha256' | 'sha512'): { signature: Buffer; signed: Buffer }
  remove(): void
}

export function keygen(): Keygen {
  const folder = mkdtempSync(join(tmpdir(), 'halligan-keys-'))
  const path = (name: string) => join(folder, name)
  const run = (...args: string[]) =>
    execFileSync('ssh-keygen', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return {
    path,
    run,
    make(name, ...flags) {
      run('-q', '-N', '', '-C', `${name} of the tests`, '-f', path(name), ...flags)
      return path(name)
    },
    sign(key, message, hash = 'sha512') {
      const file = path('message')
      writeFileSync(file, message)
      run('-q', '-Y', 'sign', '-f', key, '-n', 'halligan', '-O', `hashalg=${hash}`, file)
      const armoured = readFileSync(`${file}.sig`, 'utf8')
      rmSync(`${file}.sig`)
      const reader = new SshReader(
        Buffer.from(armoured.replace(/-----[^-]+-----|\s/g, ''), 'base64'),
        'SSHSIG'.length + 4,
      )
      const [, namespace, reserved, hashName, signature] = [
        reader.string(),
        reader.string(),
        reader.string(),
        reader.string(),
        reader.string(),
      ]
      const digest = createHash(hashName.toString()).update(message).digest()
      const signed = Buffer.concat([
        Buffer.from('SSHSIG'),
        string(namespace),
        string(reserved),
        string(hashName),
        string(digest),
      ])
      return { signature: Buffer.from(signature), signed }
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
