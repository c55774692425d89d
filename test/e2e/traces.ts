// What a running demo leaves on disk and in the process table: read by the tests, never through the bastion.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { decodeLeaf, type AuditEvent, type AuditEventType } from '../../src/audit.ts'
import { readLedger } from '../../src/store/ledger-reader.ts'

/** How long something that follows from what was seen may take to be on disk. */
const EVENTUALLY_MS = 15_000

export type Leaf = AuditEvent & { readonly at: number }

/** One event line of a recording: interval, code, data. */
export type Line = readonly [number, string, unknown]

export interface Recorded {
  readonly file: string
  readonly header: {
    readonly halligan: Readonly<Record<string, unknown>> & {
      readonly id: string
      readonly what: Readonly<Record<string, unknown>>
      readonly grant: { readonly id: string }
    }
  }
  readonly lines: readonly Line[]
}

/** Every leaf of the ledger, in order, beside the running Halligan. */
export async function leaves(state: string): Promise<Leaf[]> {
  const found: Leaf[] = []
  for await (const { leaf } of readLedger(join(state, 'halligan.db'))) found.push(decodeLeaf(leaf))
  return found
}

/** Waits until `find` finds something; fails with `what` otherwise. */
export async function eventually<T>(what: string, find: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const deadline = Date.now() + EVENTUALLY_MS
  for (;;) {
    const found = await find()
    if (found !== undefined) return found
    if (Date.now() > deadline) throw new Error(`there was never ${what}`)
    await new Promise((wake) => setTimeout(wake, 50))
  }
}

/** Waits for a leaf of `type` that `fits`. */
export function leaf<T extends AuditEventType>(
  state: string,
  type: T,
  fits: (leaf: Extract<Leaf, { type: T }>) => boolean = () => true,
): Promise<Extract<Leaf, { type: T }>> {
  return eventually(`a leaf ${type}`, async () =>
    (await leaves(state)).find((one): one is Extract<Leaf, { type: T }> => one.type === type && fits(one as never)),
  )
}

/** The sealed recordings below `folder`. */
export function recordings(folder: string): Recorded[] {
  return filesBelow(folder)
    .filter((file) => file.endsWith('.cast.zst'))
    .map((file) => {
      const [header, ...lines] = zstdDecompressSync(readFileSync(file))
        .toString()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as unknown)
      return { file, header: header as Recorded['header'], lines: lines as Line[] }
    })
}

/** Waits for the sealed recording of one session that `fits`. */
export function recording(folder: string, fits: (recorded: Recorded) => boolean): Promise<Recorded> {
  return eventually('such a sealed recording', () => recordings(folder).find(fits))
}

/** The bytes of a stream (`i`, `o`, `e`) as they were recorded, raw pieces included. */
export function bytesOf({ lines }: Recorded, stream: 'i' | 'o' | 'e'): Buffer {
  return Buffer.concat(
    lines.flatMap(([, code, data]) => {
      if (code === stream) return [Buffer.from(data as string)]
      if (code !== 'b') return []
      const piece = data as { readonly s: string; readonly d: string }
      return piece.s === stream ? [Buffer.from(piece.d, 'base64')] : []
    }),
  )
}

/** The data of every line with this code. */
export function dataOf({ lines }: Recorded, code: string): unknown[] {
  return lines.filter((line) => line[1] === code).map((line) => line[2])
}

/** Every plain file below `folder`. */
export function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true)
}

/** Files below `folder` in which `text` stands, whatever they are; recordings are looked at as their lines. */
export function filesWith(folder: string, text: string | RegExp): string[] {
  const holds = (content: string) => (typeof text === 'string' ? content.includes(text) : text.test(content))
  return filesBelow(folder).filter((file) => {
    const bytes = readIfThere(file)
    return (
      bytes !== undefined && holds((file.endsWith('.cast.zst') ? zstdDecompressSync(bytes) : bytes).toString('latin1'))
    )
  })
}

/** A file's bytes, unless a running Halligan has removed it since it was listed, as it does with used-up keys. */
function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Processes of this machine whose command line is exactly these words. */
export function processesRunning(...words: string[]): number[] {
  const wanted = `${words.join('\0')}\0`
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && commandLine(name) === wanted)
    .map(Number)
}

function commandLine(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    // It has ended since it was listed.
    return undefined
  }
}
