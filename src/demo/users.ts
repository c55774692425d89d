// The demo's people: a key pair and a TOTP secret each, made once per state folder and kept there, so that a phone that
// scanned the secret yesterday still works today. Nothing here is good for anything but the demo on this machine.
import { accessSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { HalliganError } from '../errors.ts'
import { newTotpSecret } from '../identity/totp.ts'
import { newEd25519Key } from '../sshwire/new-key.ts'

export interface DemoUser {
  readonly name: string
  readonly groups: readonly string[]
  /** Absolute path of the private key, OpenSSH format, 0600; the public one lies beside it with `.pub`. */
  readonly keyFile: string
  /** `ssh-ed25519 BASE64 NAME`. */
  readonly publicKey: string
  /** Base32. */
  readonly totpSecret: string
}

const kept = z.strictObject({ publicKey: z.string(), totpSecret: z.string().regex(/^[A-Z2-7]{32,}$/) })

/**
 * Gives the users in the given order, from `folder` (made with mode 0700) where they are kept, or made now. `folder` is
 * absolute. Throws `config_invalid` where what is kept there cannot be read.
 */
export function demoUsers(
  folder: string,
  people: readonly { readonly name: string; readonly groups: readonly string[] }[],
): readonly DemoUser[] {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return people.map(({ name, groups }) => {
    const keyFile = join(folder, name)
    const user = readKept(keyFile) ?? makeUser(keyFile, name)
    return { name, groups, keyFile, ...user }
  })
}

function readKept(keyFile: string): z.infer<typeof kept> | undefined {
  const file = `${keyFile}.json`
  let text: string
  try {
    accessSync(keyFile)
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    return kept.parse(JSON.parse(text))
  } catch (cause) {
    throw new HalliganError('config_invalid', `${file} is not what the demo wrote`, {
      cause,
      hint: "remove the demo's state folder (`--state`, normally .halligan/demo) and start again",
    })
  }
}

function makeUser(keyFile: string, name: string): z.infer<typeof kept> {
  const { publicKey, privateKey } = newEd25519Key(`${name}@halligan-demo`)
  const user = { publicKey, totpSecret: newTotpSecret() }
  writeFileSync(keyFile, privateKey, { mode: 0o600 })
  writeFileSync(`${keyFile}.pub`, `${publicKey}\n`, { mode: 0o644 })
  // Last: what it names is there already if we are killed in between.
  writeFileSync(`${keyFile}.json`, `${JSON.stringify(user)}\n`, { mode: 0o600 })
  return user
}
