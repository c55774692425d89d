import * as fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { disclose, encodeDisclosure, openDisclosure } from '../../src/recording/disclosure.ts'
import { encodeProof, parseProof } from '../../src/recording/proof.ts'
import { Installation } from './installation.ts'
import { sessionLines } from './sealed.ts'

// Over several frames of 64 KiB, so that an event's frame is neither the first nor the last.
const lines = sessionLines(3000, 60)
const framed = 64 * 1024
let installation: Installation
let proof: string

beforeAll(async () => {
  installation = new Installation()
  installation.grant('g1')
  installation.record('s1', 'g1', lines)
  const file = await installation.seal('s1', lines)
  proof = (installation.files.get(file.replace('.cast.zst', '.proof')) ?? Buffer.alloc(0)).toString('utf8')
})

/** Lines of each frame, with the number of the first, by the rule of design §8. */
function frames(): { readonly first: number; readonly lines: Buffer[] }[] {
  const found: { first: number; lines: Buffer[]; bytes: number }[] = []
  for (const [at, line] of lines.entries()) {
    const last = found.at(-1)
    if (last === undefined || last.bytes + line.length + 1 > framed)
      found.push({ first: at, lines: [line], bytes: line.length + 1 })
    else {
      last.lines.push(line)
      last.bytes += line.length + 1
    }
  }
  return found
}

function disclosed(seq: number): string {
  const frame = frames().findLast(({ first }) => first <= seq)
  return encodeDisclosure(disclose(frame?.lines ?? [], seq - (frame?.first ?? 0), frame?.first ?? 0, proof))
}

test('any event is proven with nothing of the others but hashes', () => {
  expect(frames().length).toBeGreaterThan(2)
  for (const seq of [0, 1, 700, 1500, lines.length - 1]) {
    const text = disclosed(seq)
    expect(openDisclosure(text, installation.key)).toMatchObject({ kind: 'opened', session: 's1', isPinned: true })
    const other = JSON.parse((lines[seq === 1500 ? 1501 : 1500] ?? Buffer.alloc(0)).toString()) as [
      number,
      string,
      string,
    ]
    expect(text).not.toContain(other[2])
  }
})

test('without the pinned key it is consistent with itself only', () => {
  expect(openDisclosure(disclosed(5), undefined)).toMatchObject({ kind: 'opened', isPinned: false })
})

const forgeries: { name: string; change: (written: Record<string, unknown>) => void }[] = [
  { name: 'another number', change: (written) => (written['seq'] = 6) },
  { name: 'a number beyond the recording', change: (written) => (written['seq'] = 1e6) },
  {
    name: 'another line',
    change: (written) => {
      written['line'] = Buffer.from('[0.25,"o","nothing happened"]').toString('base64')
      written['event'] = [0.25, 'o', 'nothing happened']
    },
  },
  { name: 'words that are not the line', change: (written) => (written['event'] = [0.25, 'o', 'rm -rf /']) },
  { name: 'a path cut short', change: (written) => (written['path'] = (written['path'] as unknown[]).slice(1)) },
  { name: 'a path of nonsense', change: (written) => (written['path'] = ['AA==', 5, null]) },
  { name: 'no proof', change: (written) => (written['proof'] = '') },
  { name: 'another format', change: (written) => (written['format'] = 'halligan.dev/event@v2') },
]
for (const { name, change } of forgeries)
  test(`a disclosure with ${name} is refused`, () => {
    const written = JSON.parse(disclosed(5)) as Record<string, unknown>
    change(written)
    expect(openDisclosure(JSON.stringify(written), installation.key).kind).toBe('refused')
  })

test('any character changed gives a finding or the same event, never another', () => {
  const text = disclosed(5)
  const want = openDisclosure(text, installation.key)
  expect(want.kind).toBe('opened')
  const place = fc.integer({ min: 0, max: text.length - 1 })
  fc.assert(
    fc.property(place, fc.string({ minLength: 1, maxLength: 1, unit: 'binary-ascii' }), (at, character) => {
      const opened = openDisclosure(text.slice(0, at) + character + text.slice(at + 1), installation.key)
      if (opened.kind === 'refused' || want.kind === 'refused') return
      expect(opened.disclosure.line).toEqual(want.disclosure.line)
      expect(opened.disclosure.seq).toBe(want.disclosure.seq)
    }),
    { numRuns: 500 },
  )
})

test('not found: a number that is wrong because the proof counts other frames otherwise; the line is proven all the same', () => {
  const parsed = parseProof(proof)
  const [one, two, three, ...more] = parsed?.frames ?? []
  if (parsed === undefined || one === undefined || two === undefined || three === undefined) throw new Error('frames')
  // The roots of frames are sealed, and how many lines there are; not how many each frame has. The recording shows it.
  const shifted = [{ ...one, lines: one.lines + 1 }, two, { ...three, lines: three.lines - 1 }, ...more]
  const [, second] = frames()
  const text = encodeDisclosure(
    disclose(second?.lines ?? [], 0, one.lines + 1, encodeProof({ ...parsed, frames: shifted })),
  )
  const opened = openDisclosure(text, installation.key)
  expect(opened).toMatchObject({ kind: 'opened', disclosure: { seq: one.lines + 1, line: lines[one.lines] } })
  const fewer = encodeProof({ ...parsed, frames: [{ ...one, lines: one.lines + 1 }, two, three, ...more] })
  expect(
    openDisclosure(encodeDisclosure(disclose(second?.lines ?? [], 0, one.lines + 1, fewer)), installation.key),
  ).toMatchObject({ kind: 'refused', code: 'container_altered' })
})
