import { chromium, type Browser, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DEFAULT_CHECKLIST } from '../../src/access/review.ts'
import { has, programPath } from '../support/clients.ts'
import { until } from './until.ts'
import { World } from './world.ts'

// Every use is reviewed: alice breaks the glass with the ssh she has, rita looks at it in the page and judges it.

const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

interface Item {
  readonly grant: {
    readonly id: string
    readonly state: string
    readonly review: { readonly statement: string } | null
  }
  readonly standing: { readonly kind: string }
}

describe.runIf(has('chromium', 'ssh'))('a review in the running demo', () => {
  let world: World
  let browser: Browser

  beforeAll(async () => {
    world = await World.start()
    browser = await chromium.launch({ executablePath: programPath('chromium') ?? '', args: flags })
  })

  afterAll(async () => {
    await browser?.close()
    await world?.close()
  })

  const queue = async (...options: string[]): Promise<readonly Item[]> => {
    const ran = await world.exec(['rita', ['reviews', '--json', ...options].join(' ')])
    if (ran.status !== 0) throw new Error(ran.stderr)
    return JSON.parse(ran.stdout.toString()) as Item[]
  }

  async function signIn(): Promise<Page> {
    const page = await (await browser.newContext({ viewport: { width: 1300, height: 900 } })).newPage()
    await page.goto(/http:\S+#once=\S+/.exec(world.printed)?.[0] ?? '')
    await page.getByRole('button', { name: 'Sign in as rita' }).click()
    await page.getByRole('navigation', { name: 'Pages' }).waitFor()
    return page
  }

  test(
    'alice comes and goes; rita cannot judge what she has not opened, opens it, and judges it',
    {
      timeout: 120_000,
    },
    async () => {
      const shell = await world.breakGlass('web-1')
      await shell.expect(/\$ /)
      shell.type('echo restarted-checkout\r')
      await shell.expect(/restarted-checkout\r?\n/)
      shell.type('exit\r')
      await shell.exited
      const given = await world.exec(['alice', 'end'])
      expect(given.status).toBe(0)
      const [waiting] = await queue()
      const id = waiting?.grant.id ?? ''
      expect(waiting).toMatchObject({ grant: { state: 'awaiting-review' }, standing: { kind: 'due' } })
      // Sealing takes a moment; after that it is only the looking that is missing.
      const verdict = `review ${id} --verdict emergency ${DEFAULT_CHECKLIST.map((_, at) => `--answer ${at + 1}=yes`).join(' ')}`
      await until('the recording is sealed', async () => (await world.exec(['rita', verdict])).status === 77)
      const refused = await world.exec(['rita', verdict])
      expect(refused.stderr).toContain('you have not opened session')
      expect(refused.stderr).toMatch(/ssh rita@\S+ web/)
      const own = await world.exec(['alice', verdict])
      expect([own.status, own.stderr]).toEqual([77, expect.stringContaining('took part') as string])

      const page = await signIn()
      await page.getByRole('link', { name: 'Reviews' }).click()
      await page.locator('.review-link', { hasText: 'alice' }).click()
      expect(await page.getByRole('button', { name: 'Pass the verdict' }).isDisabled()).toBe(true)
      await page.locator('.review-session a').click()
      await page.locator('.ap-wrapper').waitFor()
      await page.goBack()
      await expect.poll(() => page.locator('.review-share').textContent(), { timeout: 15_000 }).toContain('100 %')
      for (const index of DEFAULT_CHECKLIST.keys())
        await page.locator(`input[name="question-${index}"][value="yes"]`).check()
      await page.locator('input[name="verdict"][value="emergency"]').check()
      await page.getByLabel('Findings').fill('restarted checkout and left')
      await page.getByLabel('Code from your authenticator').fill(await world.code('rita'))
      await page.getByRole('button', { name: 'Pass the verdict' }).click()
      await page.locator('.verdict').waitFor({ timeout: 15_000 })

      expect(await queue()).toEqual([])
      const [done] = await queue('--all')
      expect(done).toMatchObject({ grant: { id, state: 'reviewed' }, standing: { kind: 'done' } })
      const shown = await world.exec(['rita', `review ${id}`])
      expect(shown.stdout.toString()).toContain('restarted checkout and left')
      expect(shown.stdout.toString()).toContain(done?.grant.review?.statement)
    },
  )
})
