import { HalliganError } from '../errors.ts'

/** A compare-and-set that changed no row has lost its race. Throws `conflict` with `message` then. */
export function demand(changed: number, message: string): void {
  if (changed !== 1) throw new HalliganError('conflict', message)
}
