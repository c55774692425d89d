import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { issueBypass } from '../../src/procedure/bypass.ts'
import { orders, writing } from '../http/emergency.ts'
import { hasBrowser, setStage, type Stage } from './browser.ts'

const reason = 'payments are stuck since the outage, INC-42'
const [lead, self] = writing.approval
const policy = {
  ...writing,
  accounts: ['app_readonly', 'app_readwrite', 'app_owner'],
  approval: [
    // Nobody has to wait in these tests for what only time opens.
    ...(lead === undefined
      ? []
      : [{ ...lead, when: { account: 'app_owner' }, override: { afterMs: 1, reasonMinLength: 40 } }]),
    ...(lead === undefined ? [] : [lead]),
    ...(self === undefined ? [] : [self]),
  ],
}
const target = { ...orders, accounts: policy.accounts }

let stage: Stage
beforeAll(async () => {
  if (hasBrowser) stage = await setStage({ policies: [policy], targets: [target] })
}, 120_000)
afterAll(() => stage?.close())

const story = hasBrowser ? test : test.todo
const phone = { width: 360, height: 740 }

/** A visit on a phone; afterwards nothing sticks out sideways and the browser has had nothing to complain about. */
async function visit(user: string, run: (page: Page) => Promise<void>, options = phone): Promise<void> {
  const { page, complaints } = await stage.open(user, options)
  await run(page)
  expect(await overflow(page)).toBe(0)
  await page.context().close()
  // What the server refuses is said on the page; the browser notes the status as well.
  expect(complaints.filter((line) => !/status of (403|409)/.test(line))).toEqual([])
}

const overflow = (page: Page) =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
const go = (page: Page, path: string) => page.goto(stage.world.origin + path)

/** Alice asks from the page, as far as the request's own page. Gives its id. */
async function ask(page: Page, account: string): Promise<string> {
  await go(page, '/access')
  await page.locator('select[name=target]').selectOption({ label: `${account}@orders` })
  await page.getByLabel('Reason').fill(reason)
  const code = page.getByLabel('Code from your authenticator')
  const preview = page.getByRole('complementary', { name: 'What you would get' })
  await expect.poll(() => preview.textContent()).toContain(`${account}@orders`)
  if (await code.isVisible()) await code.fill(stage.world.code('alice'))
  expect(await overflow(page)).toBe(0)
  await page.getByRole('button', { name: /Break the glass|Ask for approval/ }).click()
  await page.waitForURL(/\/requests\/g/)
  return page.url().split('/').at(-1) ?? ''
}

story('alice sees what she would get before she confirms, and that everyone is told', async () => {
  await visit('alice', async (page) => {
    await go(page, '/access')
    const preview = page.getByRole('complementary', { name: 'What you would get' })
    await expect.poll(() => preview.textContent()).toContain('none: self-activation')
    expect(await page.getByRole('note').textContent()).toContain('Everyone is told at once')
    await page.locator('select[name=target]').selectOption({ label: 'app_readwrite@orders' })
    await expect.poll(() => preview.textContent()).toContain('1 of bob')
    const text = await preview.textContent()
    for (const part of [
      'databases shop',
      '30 min of at most 2 h',
      'after 2 min',
      'sec',
      'database-emergency/approval[1]',
    ])
      expect(text).toContain(part)
    expect(await page.getByRole('button', { name: 'Ask for approval' }).count()).toBe(1)
  })
})

story(
  'bob follows the alert’s link on a phone, signs in by another one, lands on the request and approves',
  async () => {
    const alice = await stage.open('alice')
    const id = await ask(alice.page, 'app_readwrite')
    await expect.poll(() => alice.page.locator('.waiting-facts').textContent()).toContain('bob')
    const context = await stage.browser.newContext({ viewport: phone, reducedMotion: 'reduce' })
    const page = await context.newPage()
    await go(page, `/requests/${id}`)
    await page.getByRole('heading', { name: 'Sign in from your terminal' }).waitFor()
    expect(await page.textContent('body')).not.toContain('payments')
    // A link is opened in a tab of its own, as a phone does.
    const tab = await context.newPage()
    await tab.goto(await stage.world.server.issueLink('bob', '127.0.0.1'))
    await tab.getByRole('button', { name: 'Sign in as bob' }).click()
    await tab.waitForURL(`**/requests/${id}`)
    const text = () => tab.textContent('main')
    await expect.poll(text).toContain('alice')
    for (const part of ['app_readwrite@orders', reason, 'customer-impact', 'database-emergency/approval[1]'])
      expect(await text()).toContain(part)
    expect(await overflow(tab)).toBe(0)
    const approve = tab.getByRole('button', { name: 'Approve' })
    await tab.getByLabel('Code from your authenticator').fill('000000')
    await approve.click()
    await expect.poll(() => tab.getByRole('alert').textContent()).toContain('Wrong code')
    expect(await stage.world.state.grant(id)).toMatchObject({ state: 'requested' })
    await tab.getByLabel('Comment').fill('go, I am watching')
    await tab.getByLabel('Code from your authenticator').fill(stage.world.code('bob'))
    await approve.dblclick()
    await expect.poll(text).toContain('Active')
    expect(await overflow(tab)).toBe(0)
    expect((await stage.world.state.grant(id))?.approvals).toMatchObject([{ by: 'bob', comment: 'go, I am watching' }])
    // Alice's page was open all the while.
    await expect.poll(() => alice.page.textContent('main')).toContain('The door is open for')
    await alice.page.context().close()
    await context.close()
  },
)

story('the link says how it was decided to whoever follows it later, and nothing to anyone else', async () => {
  const [grant] = await stage.world.state.grants({ states: ['active'] })
  const id = grant?.id ?? ''
  await visit('bob', async (page) => {
    await go(page, `/requests/${id}`)
    await expect.poll(() => page.textContent('main')).toContain('by bob')
    expect(await page.getByRole('button', { name: 'Approve' }).count()).toBe(0)
  })
  const erin = await stage.open('erin', phone)
  await go(erin.page, `/requests/${id}`)
  await expect.poll(() => erin.page.textContent('main')).toContain('No such request')
  await erin.page.context().close()
})

story('who goes ahead alone says why at length, and reads who is told', async () => {
  const { page } = await stage.open('alice', phone)
  const id = await ask(page, 'app_owner')
  await page.getByRole('heading', { name: 'Go ahead alone' }).waitFor()
  expect(await page.locator('.decide').textContent()).toContain('bob by name')
  await page.getByLabel(/Longer reason/).fill('nobody answers and payments have been stuck for an hour')
  expect(await overflow(page)).toBe(0)
  await page.getByRole('button', { name: 'Go ahead without approval' }).click()
  await expect.poll(() => page.textContent('main')).toContain('went ahead without bob')
  expect(await stage.world.state.grant(id)).toMatchObject({ state: 'active', override: { skipped: ['bob'] } })
  await page.context().close()
})

story('a reason that tries to be something else is shown as what it is', async () => {
  await stage.world.grant({
    id: 'ghostile',
    state: 'requested',
    user: 'erin',
    policy: policy.name,
    policyHash: policy.hash,
    rule: `${policy.name}/approval[1]`,
    target: 'orders',
    account: 'app_readwrite',
    reason: '<img src=x onerror=alert(1)> \u202eteg ot evorppa\u202c',
    activatedAt: null,
    expiresAt: null,
    vouchedBy: 'adam',
  })
  await visit('bob', async (page) => {
    await go(page, '/access')
    await expect.poll(() => page.textContent('main')).toContain('<img src=x onerror=alert(1)> \\u{202e}teg')
    await page.getByRole('link', { name: 'Decide' }).click()
    await expect.poll(() => page.textContent('main')).toContain('Vouched for by adam')
    expect(await page.locator('main img').count()).toBe(0)
    // A denial without a word cannot be sent.
    expect(await page.getByRole('button', { name: 'Deny' }).isDisabled()).toBe(true)
  })
})

story('the code of whoever vouches opens the glass from the page', async () => {
  const bob = stage.world.directory.byName('bob')
  if (bob === undefined) throw new Error('no bob')
  const by = { user: bob, fingerprint: 'SHA256:bob', address: '127.0.0.1' }
  const { code } = await issueBypass(stage.world.vouch, by, 'erin', 'her phone fell into the sea')
  await visit('erin', async (page) => {
    await go(page, '/access')
    await page.getByLabel('Reason').fill(reason)
    await page.getByLabel('Code from your authenticator').fill(code)
    await page.getByRole('button', { name: 'Break the glass' }).click()
    await expect.poll(() => page.textContent('main')).toContain('Vouched for by bob')
  })
})

story('a page at rest asks for nothing again', async () => {
  await visit('bob', async (page) => {
    const asked: string[] = []
    page.on('request', (request) => asked.push(new URL(request.url()).pathname))
    await go(page, '/access')
    await page.getByRole('heading', { name: 'Waiting for your decision' }).waitFor()
    await page.waitForLoadState('networkidle')
    expect(asked.filter((path) => path === '/api/requests').length).toBeLessThanOrEqual(2)
  })
})

story('the page is worked by keyboard alone', async () => {
  await visit(
    'alice',
    async (page) => {
      await page.keyboard.press('g')
      await page.keyboard.press('q')
      await page.getByRole('heading', { name: 'Break the glass' }).waitFor()
      await page.getByLabel('Reason').focus()
      for (const name of ['incident', 'duration']) {
        await page.keyboard.press('Tab')
        expect(await page.evaluate('document.activeElement.name')).toBe(name)
      }
    },
    { width: 1440, height: 900 },
  )
})
