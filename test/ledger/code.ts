import { HalliganError } from '../../src/errors.ts'

/** The code of the HalliganError that `run` throws; undefined when it throws none. */
export function codeOf(run: () => unknown): string | undefined {
  try {
    run()
  } catch (error) {
    if (error instanceof HalliganError) return error.code
    throw error
  }
  return undefined
}
