// Never silent (P7), over the whole demo: who breaks the glass is told of by webhook and by mail, an admin sees it over
// ssh, and `doctor` says the same while Halligan runs.

import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Finding } from '../../src/cli/doctor-finding.ts'
import { has } from '../support/clients.ts'
import { until } from './until.ts'
import { World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(async () => {
  await world?.close()
})

interface Told {
  readonly id: string
  readonly channel: string
  readonly type: string
  readonly acceptedAt: number | null
}

const listed = async <T>(path = ''): Promise<T[]> =>
  (await (await fetch(`${world.demo.sinks.webhook}${path}`)).json()) as T[]

test.runIf(has('ssh'))(
  'breaking the glass arrives by webhook and by mail, and its receipts are there to see',
  async () => {
    const shell = await world.breakGlass('web-1')
    await shell.expect(/ends \d\d:\d\d UTC/)
    shell.type('exit\r')
    await shell.exited
    await until('the mail has come', async () => {
      const mails = await listed<{ text: string }>('/mail')
      return mails.some(({ text }) => /^Subject: Halligan: alice broke the glass: deploy@web-1\r$/m.test(text))
    })
    await until('the webhook was called', async () => {
      const hooks = await listed<{ body: { type?: string } }>()
      return hooks.some(({ body }) => body.type === 'grant.activated')
    })
    await until('both receipts are written', async () => {
      const ran = await world.exec(['adam', 'alerts', '--json'])
      const told = (JSON.parse(ran.stdout.toString()) as Told[]).filter(({ type }) => type === 'grant.activated')
      const takers = told.filter(({ acceptedAt }) => acceptedAt !== null).map(({ channel }) => channel)
      return takers.sort().join() === 'demo-mail,demo-webhook'
    })
    // The number in the mail is the alert's: the same twice is the same alert twice.
    const told = JSON.parse((await world.exec(['adam', 'alerts', '--json'])).stdout.toString()) as Told[]
    const mailed = told.find(({ channel, type }) => channel === 'demo-mail' && type === 'grant.activated')
    const mails = await listed<{ text: string }>('/mail')
    expect(mails.some(({ text }) => text.includes(`Message-ID: <${mailed?.id}@localhost>`))).toBe(true)
    expect(await world.exec(['alice', 'alerts'])).toMatchObject({ status: 77 })
  },
)

test('doctor examines the installation while it runs', async () => {
  const ran = await world.local('doctor', '--config', join(world.state, 'halligan.yaml'), '--json')
  const { findings } = JSON.parse(ran.stdout.toString()) as { findings: Finding[] }
  expect(findings.filter(({ standing }) => standing === 'fail')).toEqual([])
  expect(ran.status).toBe(0)
  expect(findings.map(({ subject }) => subject)).toEqual(
    expect.arrayContaining(['configuration', 'secrets', 'clock', 'channel demo-webhook', 'channel demo-mail']),
  )
})
