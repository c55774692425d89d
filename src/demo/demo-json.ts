// The contract file of a running demo, `<state>/demo.json`: what a test or a script needs to use the demo from outside.
// It is there exactly while every listener accepts connections.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import * as z from 'zod'
import { HalliganError } from '../errors.ts'

const absolutePath = z.string().refine(isAbsolute, 'not an absolute path')
const port = z.int().min(1).max(65_535)

/** Version 1 of the contract. */
export const demoContract = z.strictObject({
  version: z.literal(1),
  /** The demo's process; SIGINT or SIGTERM ends it. */
  pid: z.int().positive(),
  ssh: z.strictObject({ host: z.string(), port, knownHosts: absolutePath }),
  postgres: z.strictObject({ host: z.string(), port, ca: absolutePath }),
  web: z.strictObject({ url: z.url() }),
  users: z.record(
    z.string(),
    z.strictObject({
      key: absolutePath,
      totpSecret: z.string().regex(/^[A-Z2-7]{32,}$/),
      groups: z.array(z.string()).readonly(),
    }),
  ),
  targets: z.record(
    z.string(),
    z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('ssh') }),
      z.strictObject({ kind: z.literal('postgres'), database: z.string() }),
    ]),
  ),
  /** `webhook` lists what it got on GET; `smtp` is host:port. */
  sinks: z.strictObject({ webhook: z.url(), smtp: z.string().regex(/^[^:]+:\d+$/) }),
  /** Folder of the sealed recordings. */
  recordings: absolutePath,
  /** What `halligan verify --key` takes. */
  publicKey: z.string().min(1),
})

export type DemoContract = z.infer<typeof demoContract>

/** Writes `<stateFolder>/demo.json` whole or not at all, readable by its owner only. Gives its path. */
export function writeDemoJson(stateFolder: string, contract: DemoContract): string {
  const file = join(stateFolder, 'demo.json')
  const text = `${JSON.stringify(demoContract.parse(contract), undefined, 2)}\n`
  // The process id keeps two starts on one folder from writing into each other's file.
  const fresh = `${file}.${contract.pid}`
  writeFileSync(fresh, text, { mode: 0o600 })
  renameSync(fresh, file)
  return file
}

/** Removes the file at exit, and one that a killed demo left, at start. */
export function removeDemoJson(stateFolder: string): void {
  rmSync(join(stateFolder, 'demo.json'), { force: true })
}

/** Reads the file of a running demo. Throws `unavailable` when there is none, `config_invalid` when it is another's. */
export function readDemoJson(stateFolder: string): DemoContract {
  const file = join(stateFolder, 'demo.json')
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new HalliganError('unavailable', `no demo runs on ${stateFolder}`, {
      cause,
      hint: 'start it with `npm start`',
    })
  }
  try {
    return demoContract.parse(JSON.parse(text))
  } catch (cause) {
    throw new HalliganError('config_invalid', `${file} is not version 1 of the demo contract`, { cause })
  }
}
