// Appends to a journal on a small file system until it fails, and prints what it saw as JSON.
import { HalliganError } from '../../src/errors.ts'
import { entryOf, linesOf, openIn } from './scratch.ts'

const codeOf = (error: unknown): string => (error instanceof HalliganError ? error.code : String(error))
const journal = await openIn(process.argv[2] ?? '')
let confirmed = 0
let failure: unknown
while (failure === undefined && confirmed < 10_000) {
  try {
    await journal.append(entryOf('s', confirmed, 'x'.repeat(4000)))
    confirmed += 1
  } catch (error) {
    failure = error
  }
}
const after = await journal.append(entryOf('s', confirmed, 'x')).then(() => 'durable', codeOf)
const lines = (await linesOf(journal, 's')).length
await journal.close()
const again = await openIn(process.argv[2] ?? '').catch((error: unknown) => error)
const cause = failure instanceof Error && failure.cause instanceof Error ? failure.cause.message : ''
process.stdout.write(JSON.stringify({ confirmed, lines, code: codeOf(failure), cause, after, again: codeOf(again) }))
if (!(again instanceof Error)) await (again as typeof journal).close()
