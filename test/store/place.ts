import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/clock.ts'
import { openState, type StoredState } from '../../src/store/state.ts'
import type { StatePlace } from './contract.ts'

export const testKey: Buffer = Buffer.alloc(32, 7)

export interface SqlitePlace extends StatePlace {
  readonly directory: string
  readonly file: string
  open(): Promise<StoredState>
}

/** A fresh directory with a state in it. */
export async function sqlitePlace(): Promise<SqlitePlace> {
  const directory = mkdtempSync(join(tmpdir(), 'halligan-state-'))
  const file = join(directory, 'state.db')
  return {
    directory,
    file,
    open: () => openState({ file, clock: systemClock(), keyEncryptionKey: testKey, ballastBytes: 0 }),
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}
