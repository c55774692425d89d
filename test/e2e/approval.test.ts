// Writing to the demo's database needs bob: alice waits in her terminal, bob follows the alert's link on his phone. Then
// alice's phone is lost, and bob vouches for her. Real ssh, psql and browser.

import { chromium, type Browser, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { has, programPath } from '../support/clients.ts'
import { until } from './until.ts'
import { World } from './world.ts'

const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync']

interface Told {
  readonly type: string
  readonly data: { readonly grant?: string; readonly url?: string; readonly user?: string; readonly by?: string }
}

describe.runIf(has('chromium', 'ssh', 'psql', 'postgres'))('asking, waiting, deciding, vouching', () => {
  let world: World
  let browser: Browser

  beforeAll(async () => {
    world = await World.start()
    browser = await chromium.launch({ executablePath: programPath('chromium') ?? '', args: flags })
  }, 90_000)

  afterAll(async () => {
    await browser?.close()
    await world?.close()
  })

  /** What the webhook sink has got. */
  async function told(type: string): Promise<Told[]> {
    const got = (await (await fetch(world.demo.sinks.webhook)).json()) as readonly { readonly body: Told }[]
    return got.map(({ body }) => body).filter((alert) => alert.type === type)
  }

  /** A one-time link, as `ssh USER web` prints it. */
  async function webLink(user: string): Promise<string> {
    const ran = await world.exec([user, 'web'], `${await world.code(user)}\n`)
    expect(ran.status).toBe(0)
    return ran.stdout.toString().trim()
  }

  async function approveOnPhone(url: string): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 360, height: 740 } })
    const page = await context.newPage()
    // The alert's own link first, by nobody; then the one that signs in.
    await page.goto(url)
    await page.getByRole('heading', { name: 'Sign in from your terminal' }).waitFor()
    await page.goto(await webLink('bob'))
    await page.getByRole('button', { name: 'Sign in as bob' }).click()
    await page.waitForURL(url)
    await page.getByText('alice').first().waitFor()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)
    await page.getByLabel('Comment').fill('go, I am watching')
    await page.getByLabel('Code from your authenticator').fill(await world.code('bob'))
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.getByText('The door is open for').waitFor()
    return page
  }

  test('alice waits over ssh, bob approves on the page at phone width, psql writes', { timeout: 150_000 }, async () => {
    const alice = world.ssh('-t', '-l', 'alice+app_readwrite@orders', 'orders', 'dsn')
    await alice.expect('Code: ')
    alice.type(`${await world.code('alice')}\r`)
    const [screen] = await alice.expect(/Needs 1 approval[\s\S]*Trigger [^\n]*: /)
    for (const part of ['policy: demo-database-emergency', 'approval: 1 of bob; alone after 2m', 'tells: demo-webhook'])
      expect(screen).toContain(part)
    alice.type('1\r')
    await alice.expect('Reason: ')
    alice.type('orders are stuck since 02:40, INC-42\r')
    await alice.expect(/waits for approval, 1 to go; asked bob/)
    await alice.expect('alert taken')
    await until('the approvers are told', async () => (await told('grant.requested')).length > 0)
    const [request] = await told('grant.requested')
    expect(request?.data.url).toBe(`${world.demo.web.url}/requests/${request?.data.grant}`)
    const phone = await approveOnPhone(request?.data.url ?? '')
    const [dsn] = await alice.expect(/postgresql:\/\/\S+/)
    const written = await world.psql(dsn, '-c', 'update customers set name = name where false')
    expect(written).toMatchObject({ status: 0 })
    expect(written.stdout.toString()).toContain('UPDATE 0')
    expect((await world.psql(dsn, '-c', 'drop table no_such_table')).status).not.toBe(0)
    await until('a risky statement is told', async () => (await told('session.risky')).length > 0)
    const [risky] = await told('session.risky')
    expect(risky?.data).toMatchObject({ user: 'alice', account: 'app_readwrite', target: 'orders', what: 'DROP' })
    expect(risky?.data.url).toMatch(/\/sessions\/s[a-z2-7]{12}$/)
    await phone.context().close()
  })

  test('bob vouches for alice: one code, one grant, marked everywhere', { timeout: 120_000 }, async () => {
    const refused = await world.exec(
      ['alice', 'bypass', 'bob', '--reason', '"he lost his phone today"'],
      `${await world.code('alice')}\n`,
    )
    expect(refused.status).toBe(77)
    const vouching = await world.exec(
      ['bob', 'bypass', 'alice', '--reason', '"her phone fell into the sea"'],
      `${await world.code('bob')}\n`,
    )
    expect(vouching.status).toBe(0)
    const code = vouching.stdout.toString().trim()
    expect(code).toMatch(/^(\w{4}-){3}\w{4}$/)
    await until('everyone is told', async () => (await told('user.bypass')).length > 0)
    expect((await told('user.bypass'))[0]?.data).toMatchObject({ user: 'alice', by: 'bob' })
    // The ceremony of a moment ago is remembered for her key: the code is for the day it is not. It is asked for anew here.
    await world.stop()
    await world.boot()
    const alice = world.ssh('-t', 'web-1')
    await alice.expect('Code: ')
    alice.type(`${code}\r`)
    await alice.expect(/Trigger [^\n]*: /)
    alice.type('\r')
    await alice.expect('Reason: ')
    alice.type('checkout is down\r')
    await alice.expect(/recorded, grant [^\n]*vouched for by bob/)
    alice.type('exit\r')
    await alice.exited
    const again = world.ssh('-t', '-l', 'alice+app_readonly@orders', 'orders', 'dsn')
    await again.expect('Code: ')
    again.type(`${code}\r`)
    await again.expect(/wrong code/)
    again.close()
  })
})
