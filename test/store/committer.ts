// A process of its own that commits without end and says what was acknowledged: made to be killed.

import { writeSync } from 'node:fs'
import { systemClock } from '../../src/clock.ts'
import { openState } from '../../src/store/state.ts'
import { grantOf } from '../support/grant.ts'
import { alertOf, leafOf, noon } from './contract.ts'
import { testKey } from './place.ts'

const [file = '', first = '0'] = process.argv.slice(2)
const state = await openState({ file, clock: systemClock(), keyEncryptionKey: testKey, ballastBytes: 0 })
for (let n = Number(first); ; n += 1) {
  await state.commit({
    at: noon,
    writes: [{ kind: 'grant', grant: grantOf(noon, { id: `g${n}`, requestedAt: noon + n }), expectVersion: null }],
    leaves: [leafOf(n)],
    alerts: [alertOf(`a${n}`)],
  })
  // At once and unbuffered: the parent holds us to every line it read.
  writeSync(1, `${n}\n`)
}
