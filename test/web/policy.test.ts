import { afterAll, beforeAll, expect, test } from 'vitest'
import { orders, writing } from '../http/emergency.ts'
import { hasBrowser, setStage, type Stage, type Visit } from './browser.ts'

let stage: Stage
beforeAll(async () => {
  if (!hasBrowser) return
  const closed = { days: [1], fromMinute: 0, toMinute: 1, zone: 'Europe/Berlin' }
  const narrow = { ...writing, name: 'monday-minute', hash: 'b'.repeat(64), windows: [closed] }
  stage = await setStage({ policies: [writing, narrow], targets: [{ ...orders, canary: true }] })
}, 120_000)
afterAll(() => stage?.close())

const story = hasBrowser ? test : test.todo

async function visit(
  user: string,
  width: number,
  run: (page: Visit['page']) => Promise<void>,
  complaints: readonly unknown[] = [],
): Promise<void> {
  const opened = await stage.open(user, { width })
  await run(opened.page)
  const overflow = await opened.page.evaluate(
    'document.documentElement.scrollWidth - document.documentElement.clientWidth',
  )
  await opened.page.context().close()
  expect(opened.complaints).toEqual(complaints)
  expect(overflow).toBe(0)
}

for (const width of [1440, 360])
  story(`the simulator at ${width} px answers by keyboard: who, and why, and why not then`, async () => {
    await visit('otto', width, async (page) => {
      await page.keyboard.press('g')
      await page.keyboard.press('t')
      await page.getByRole('heading', { name: 'Targets and policies' }).waitFor()
      await page.locator('.offers li').filter({ hasText: 'alice' }).first().waitFor()
      await page.locator('select[name=user]').selectOption('alice')
      await page.locator('select[name=target]').selectOption(orders.name)
      await page.locator('.why summary .badge').filter({ hasText: 'answers' }).waitFor()
      // A Sunday: the other policy is closed, and says when it opens.
      await page.getByLabel('At (UTC)').fill('2026-11-22T03:00')
      const other = page.locator('.simulator .why').filter({ hasText: 'monday-minute' })
      await other.locator('summary').focus()
      await page.keyboard.press('Enter')
      await other.getByText('opens Mon 00:00 Europe/Berlin').waitFor()
      expect(await page.locator('.target-list').getByText('canary').isVisible()).toBe(true)
    })
  })

story('a mistake in the address is told beside the form, and mended without a reload', async () => {
  await visit(
    'adam',
    1440,
    async (page) => {
      await page.goto(`${stage.world.origin}/policy`)
      await page.getByLabel('From').fill('office')
      await page.keyboard.press('Tab')
      await page.getByRole('alert').filter({ hasText: 'no address' }).waitFor()
      await page.getByLabel('From').fill('10.0.0.1')
      await page.keyboard.press('Tab')
      await page.locator('.offers li').first().waitFor()
      // The browser itself reports the request that was refused, and nothing else.
    },
    [expect.stringMatching(/status of 400/)],
  )
})

story('whoever has no role asks about themselves alone; whoever no policy is about is told so', async () => {
  await visit('alice', 360, async (page) => {
    await page.goto(`${stage.world.origin}/policy`)
    await page.locator('.offers li').first().waitFor()
    expect(await page.locator('select[name=user]').count()).toBe(0)
  })
  await visit('rita', 360, async (page) => {
    await page.goto(`${stage.world.origin}/policy`)
    await page.getByRole('heading', { name: 'No policy is about you' }).waitFor()
  })
})
