// `npm run fuzz`: a million changes to what installations left behind, each of which the verifier must find. The seed is
// printed first; the same seed and numbers give the same changes.
//   npm run fuzz -- [--seed TEXT] [--runs N] [--from N]
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { mutate } from '../test/recording/mutating.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: randomBytes(6).toString('hex') },
    runs: { type: 'string', default: '1000000' },
    from: { type: 'string', default: '0' },
  },
})
const { seed } = values
const [runs, from] = [wholeNumber('--runs', values.runs), wholeNumber('--from', values.from)]
/** How often it says how far it is. */
const TELL_EACH_MS = 10_000

console.log(`seed ${seed}, ${runs} changes from number ${from}`)
const startedAt = performance.now()
let toldAt = startedAt
const { counts, failures } = await mutate(seed, runs, from, (done) => {
  if (performance.now() - toldAt < TELL_EACH_MS) return
  toldAt = performance.now()
  console.log(`${done} of ${runs}`)
})
for (const failure of failures) console.log(`not as it must be: ${failure}`)
for (const [name, count] of counts) console.log(`${String(count).padStart(8)}  ${name}`)
const seconds = Math.round((performance.now() - startedAt) / 1000)
console.log(`${failures.length === 0 ? 'all were found' : `${failures.length} were not`}, ${seconds} s, seed ${seed}`)
process.exitCode = failures.length === 0 ? 0 : 1

function wholeNumber(option: string, text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new Error(`${option} takes a whole number, not ${JSON.stringify(text)}`)
  return Number(text)
}
