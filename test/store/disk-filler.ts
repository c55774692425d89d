// Runs on a small file system of its own, fills it up under an open state, makes room again, and says what it saw.

import { existsSync, rmSync, writeFileSync, appendFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../src/clock.ts'
import { HalliganError } from '../../src/errors.ts'
import type { LedgerHead } from '../../src/session/state.ts'
import { openState } from '../../src/store/state.ts'
import { leafOf, noon } from './contract.ts'
import { testKey } from './place.ts'

export interface FullDiskReport {
  /** Commits after the disk was full that the ballast made room for. */
  readonly onBallast: number
  readonly ballastLeft: boolean
  readonly failure: { readonly code: string; readonly hint: string | undefined }
  /** Reading goes on while writing fails. */
  readonly readable: boolean
  readonly headWhenFull: LedgerHead
  readonly acknowledged: LedgerHead
  readonly afterRoom: LedgerHead
  readonly reopenedFull: LedgerHead
  readonly reopened: LedgerHead
  readonly integrity: unknown
  readonly leaves: number
}

const mostCommits = 5000

async function run(directory: string): Promise<FullDiskReport> {
  const file = join(directory, 'state.db')
  const filler = join(directory, 'filler')
  const ballast = `${file}-ballast`
  const open = () => openState({ file, clock: systemClock(), keyEncryptionKey: testKey, ballastBytes: 64 << 10 })
  let state = await open()
  const commit = (n: number) =>
    state.commit({ at: noon, writes: [{ kind: 'setting', name: `n${n % 7}`, value: `${n}` }], leaves: [leafOf(n)] })
  let acknowledged = await commit(0)
  fill(filler)
  let onBallast = 0
  let failure: HalliganError | undefined
  for (let n = 1; failure === undefined && n < mostCommits; n += 1)
    try {
      acknowledged = await commit(n)
      if (!existsSync(ballast)) onBallast += 1
    } catch (error) {
      if (!(error instanceof HalliganError)) throw error
      failure = error
    }
  if (failure === undefined) throw new Error(`the disk was never full: ${statSync(file).size} bytes`)
  const headWhenFull = await state.ledgerHead()
  const readable = (await state.leaves(0, headWhenFull.size)).length === headWhenFull.size
  const ballastLeft = existsSync(ballast)
  await state.close()
  state = await open()
  const reopenedFull = await state.ledgerHead()
  rmSync(filler)
  const afterRoom = await commit(mostCommits)
  await state.close()
  state = await open()
  const reopened = await state.ledgerHead()
  const leaves = (await state.leaves(0, reopened.size)).length
  await state.close()
  return {
    onBallast,
    ballastLeft,
    failure: { code: failure.code, hint: failure.hint },
    readable,
    headWhenFull,
    acknowledged,
    afterRoom,
    reopenedFull,
    reopened,
    integrity: state.integrity,
    leaves,
  }
}

/** Takes the rest of the file system, to the last page. */
function fill(file: string): void {
  writeFileSync(file, '')
  for (const chunk of [1 << 16, 1 << 12, 1])
    for (;;)
      try {
        appendFileSync(file, Buffer.alloc(chunk))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
        break
      }
}

process.stdout.write(JSON.stringify(await run(process.argv[2] ?? '')))
