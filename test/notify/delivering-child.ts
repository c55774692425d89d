// A process of its own that carries the outbox of a state to one webhook: made to be killed between a delivery and its
// commit.

import { systemClock } from '../../src/clock.ts'
import { Outbox } from '../../src/notify/outbox.ts'
import { webhookChannel } from '../../src/notify/webhook.ts'
import { openState } from '../../src/store/state.ts'

const [file = '', url = '', secret = ''] = process.argv.slice(2)
const clock = systemClock()
const state = await openState({ file, clock, keyEncryptionKey: Buffer.alloc(32, 1), ballastBytes: 0 })
const channel = webhookChannel({ name: 'hook', url, secret, outside: true, clock })
const outbox = new Outbox({ state, channels: [channel], clock, random: Math.random })
outbox.nudge()
// Until nothing is owed any more; the outbox's own timers keep no process alive.
const watching = setInterval(() => {
  void state.alerts({ limit: 100 }).then(async (alerts) => {
    if (alerts.some(({ acceptedAt }) => acceptedAt === null)) return
    clearInterval(watching)
    await outbox.close()
    await state.close()
  })
}, 50)
