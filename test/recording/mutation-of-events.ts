// One event disclosed, and forged: what somebody who holds a true disclosure can write in its place.
import { ContentTree } from '../../src/recording/content-tree.ts'
import { disclose, encodeDisclosure } from '../../src/recording/disclosure.ts'
import { proofName } from '../../src/recording/verify-file.ts'
import type { Chance } from './chance.ts'
import type { Random } from './evidence.ts'
import { type Sealed, sealedOf, spoilings } from './mutation.ts'

type Written = Record<'seq' | 'event' | 'line' | 'path' | 'proof', unknown>

type Forge = (written: Written, chance: Chance, from: Random, session: Sealed) => Partial<Written> | undefined

const base64 = (text: string) => Buffer.from(text).toString('base64')

/** What reads as an event, and the bytes that say it. */
const saying = (text: string) => ({ event: JSON.parse(text) as unknown, line: base64(text) })

const forgeries: readonly { readonly name: string; readonly forge: Forge }[] = [
  { name: 'another number', forge: ({ seq }, chance) => ({ seq: Number(seq) + chance.pick([1, -1, 1000]) }) },
  { name: 'another line', forge: () => saying('[0,"o","never"]') },
  { name: 'another line beside the true one', forge: () => ({ event: [0, 'o', 'never'] }) },
  {
    name: 'a line of another session',
    forge: (_, chance, from, { session }) => {
      const other = chance.pick(from.sessions.filter((one) => one.session !== session))
      return saying(chance.pick(other.lines).toString())
    },
  },
  {
    name: 'another line of the session',
    forge: ({ line }, chance, _, { lines }) => {
      const other = chance.pick(lines).toString()
      return base64(other) === line ? undefined : saying(other)
    },
  },
  {
    name: 'a longer path',
    forge: ({ path }) => ({ path: [...(path as string[]), Buffer.alloc(32).toString('base64')] }),
  },
  {
    name: 'a shorter path',
    forge: ({ path }) => ((path as string[]).length === 0 ? undefined : { path: (path as string[]).slice(1) }),
  },
  {
    name: "another session's proof",
    forge: (_, chance, from, { session }) => {
      const others = sealedOf(from).filter((one) => one.session !== session)
      if (others.length === 0) return undefined
      return { proof: from.evidence.files.get(proofName(chance.pick(others).file))?.toString() }
    },
  },
  { name: 'no proof', forge: () => ({ proof: '' }) },
]

export interface Disclosed {
  readonly name: string
  /** As it was disclosed, and as somebody changed it. */
  readonly text: string
  readonly changed: string
}

/** A random event of a random recording, changed at random. */
export function forgedEvent(from: Random, chance: Chance): Disclosed {
  for (;;) {
    const session = chance.pick(sealedOf(from))
    const text = disclosed(session, chance.below(session.lines.length), from)
    if (chance.isOnceIn(3)) {
      const { name, spoil } = chance.pick(spoilings)
      const changed = spoil(Buffer.from(text), chance).toString()
      if (changed !== text) return { name: `event: ${name}`, text, changed }
      continue
    }
    const { name, forge } = chance.pick(forgeries)
    const written = JSON.parse(text) as Written
    const other = forge(written, chance, from, session)
    if (other !== undefined)
      return { name: `event: ${name}`, text, changed: JSON.stringify({ ...written, ...other }, null, 2) }
  }
}

function disclosed({ lines, file }: Sealed, seq: number, from: Random): string {
  const tree = new ContentTree()
  for (const line of lines) tree.append(line)
  let first = 0
  for (const frame of tree.finish()) {
    const end = first + frame.lines
    const proof = from.evidence.files.get(proofName(file))?.toString() ?? ''
    if (seq < end) return encodeDisclosure(disclose(lines.slice(first, end), seq - first, first, proof))
    first = end
  }
  throw new Error(`no event ${seq}`)
}

export const forgeryNames: readonly string[] = [...spoilings, ...forgeries].map(({ name }) => `event: ${name}`)
