// Room to record in. A session that could not be recorded to its end is not begun.

import { statfs } from 'node:fs/promises'
import { HalliganError } from '../errors.ts'

/** Below this share of the file system no new session is opened (design §8): what is left belongs to those inside. */
const FLOOR = 0.05

/** Throws `unavailable` when the file system that holds `directory` has too little left for a new session. */
export async function checkSpace(directory: string): Promise<void> {
  const { bavail, blocks, bsize } = await statfs(directory)
  if (blocks === 0 || bavail / blocks >= FLOOR) return
  const left = Math.floor((bavail * bsize) / 1024)
  throw new HalliganError('unavailable', `no room to record: ${left} KiB left for recordings`, {
    hint: "tell Halligan's operator; sessions that run go on while the reserve lasts",
  })
}
