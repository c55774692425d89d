// docs: SECURITY.md, P3. Ten thousand changes here, a million by `npm run fuzz`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeInstallationKey } from '../../src/ledger/note-key.ts'
import { verifyDisclosure, verifyFile } from '../../src/recording/verify-file.ts'
import { Chance } from './chance.ts'
import { type Random, randomInstallation } from './evidence.ts'
import { storedOf } from './installation.ts'
import { mutate } from './mutating.ts'
import { sealedOf } from './mutation.ts'
import { forgedEvent } from './mutation-of-events.ts'
import { fileMutations } from './mutation-of-files.ts'
import { proofMutations } from './mutation-of-proofs.ts'

/** Fixed, so that every run of the tests is the same run; `npm run fuzz` draws another each time. */
const seed = 'halligan'

let folder: string
let from: Random

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'halligan-mutation-'))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test(
  'ten thousand changes to what installations left behind: each is a finding, and nothing unchanged is one',
  { timeout: 480_000 },
  async () => {
    const { failures, counts } = await mutate(seed, 10_000)
    expect(failures, `seed ${seed}`).toEqual([])
    expect([...counts].filter(([, count]) => count === 0)).toEqual([])
  },
)

interface StandAlone {
  verify(file: string, publicKey?: string): Promise<{ status: number; say: string }>
}

test(
  'docs/verify.mjs and Halligan agree on every change to a file, a proof or a disclosed event',
  { timeout: 120_000 },
  async () => {
    const { verify } = (await import(resolve(import.meta.dirname, '../../docs/verify.mjs'))) as StandAlone
    const ofFiles = [...fileMutations, ...proofMutations].filter(({ scope }) => scope === 'file')
    for (let run = 0; run < 400; run++) {
      const chance = new Chance(`${seed} ${run}`)
      if (run % 40 === 0) from = await randomInstallation(new Chance(`${seed} agreeing ${run}`))
      const publicKey = encodeInstallationKey(from.all.key)
      if (chance.isOnceIn(6)) {
        const { name, changed } = forgedEvent(from, chance)
        const file = join(folder, 'one.event.json')
        writeFileSync(file, changed)
        const there = await verifyDisclosure(name, { kind: 'text', text: changed }, { key: from.all.key })
        expect((await verify(file, publicKey)).status, `run ${run}: ${name}`).toBe(there.exitCode)
        continue
      }
      const [mutation, changed] = [chance.pick(ofFiles), from.evidence.copy()]
      await mutation.apply(changed, from, chance)
      for (const { file, state } of sealedOf(from)) {
        const proof = file.replace('.cast.zst', '.proof')
        for (const name of [file, proof]) {
          const bytes = changed.files.get(name)
          if (bytes === undefined) rmSync(join(folder, basename(name)), { force: true })
          else writeFileSync(join(folder, basename(name)), bytes)
        }
        const there = await verifyFile(storedOf(changed.files, file), { key: from.all.key })
        const here = await verify(join(folder, basename(file)), publicKey)
        // The one has no third verdict: what was cut short is not proven, and it says so.
        const isFound = there.findings.length > 0 || state !== 'complete'
        expect(here.status, `run ${run}: ${mutation.name}: ${here.say}`).toBe(isFound ? 1 : 0)
      }
    }
  },
)
