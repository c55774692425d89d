// Appends to the journal below the directory it is given, many lines at a time, and prints each number that the journal
// has confirmed. Killed by its test.
import { writeSync } from 'node:fs'
import { entryOf, openIn } from './scratch.ts'

const [directory = '', from = '0'] = process.argv.slice(2)
const journal = await openIn(directory)
let seq = Number(from)
const keepOn = async (): Promise<never> => {
  for (;;) {
    const mine = seq++
    await journal.append(entryOf('s', mine, `line ${mine} ${'x'.repeat(mine % 700)}`))
    writeSync(1, `${mine}\n`)
  }
}
await Promise.all([keepOn(), keepOn(), keepOn(), keepOn()])
