import { afterAll, beforeAll, expect, test } from 'vitest'
import { hasBrowser, setStage, type Stage, type Visit } from './browser.ts'
import { ids, tell } from './story.ts'

let stage: Stage
beforeAll(async () => {
  if (!hasBrowser) return
  stage = await setStage()
  await tell(stage.world)
}, 120_000)
afterAll(() => stage?.close())

const story = hasBrowser ? test : test.todo

async function visit(
  user: string,
  run: (visit: Visit) => Promise<void>,
  options?: Parameters<Stage['open']>[1],
): Promise<void> {
  const opened = await stage.open(user, options)
  await run(opened)
  const overflow = await opened.page.evaluate(
    'document.documentElement.scrollWidth - document.documentElement.clientWidth',
  )
  await opened.page.context().close()
  expect(opened.complaints).toEqual([])
  expect(overflow).toBe(0)
}

for (const width of [1440, 360])
  story(`the report at ${width} px: a figure opens to its grants, and a grant to its sessions`, async () => {
    await visit(
      'rita',
      async ({ page }) => {
        await page.keyboard.press('g')
        await page.keyboard.press('m')
        await page.locator('.report-policies tbody tr').first().waitFor()
        const uses = page.locator('.figure').filter({ hasText: 'uses (grants activated)' }).first()
        await uses.locator('summary').focus()
        await page.keyboard.press('Enter')
        await uses.locator('.evidence a').first().click()
        await page.getByRole('heading', { name: /^Sessions of grant / }).waitFor()
        expect(page.url()).toMatch(/\/sessions\?grant=[a-z0-9]+$/)
        await expect.poll(() => page.locator('.session-link').count()).toBeGreaterThan(0)
      },
      { width },
    )
  })

story('a quiet month says so; a month that has not begun cannot be chosen', async () => {
  await visit('otto', async ({ page }) => {
    await page.goto(`${stage.world.origin}/report?month=2021-03`)
    await page.getByText('The glass stayed whole').waitFor()
    expect(await page.locator('h1').textContent()).toBe('Report of 2021-03')
    await page.getByRole('button', { name: 'Later' }).click()
    await page.getByRole('heading', { name: 'Report of 2021-04' }).waitFor()
    await page.getByRole('button', { name: 'Earlier' }).click()
    await page.getByRole('heading', { name: 'Report of 2021-03' }).waitFor()
    expect(page.url()).toContain('month=2021-03')
    await page.goto(`${stage.world.origin}/report?month=nonsense`)
    await page.locator('.figure').first().waitFor()
    expect(await page.getByRole('button', { name: 'Later' }).isDisabled()).toBe(true)
  })
})

story('as a file it is CSV; on paper there is the report alone', async () => {
  await visit('adam', async ({ page }) => {
    await page.goto(`${stage.world.origin}/report`)
    await page.locator('.figure').first().waitFor()
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'CSV' }).click(),
    ])
    expect(download.suggestedFilename()).toMatch(/^halligan-report-\d{4}-\d\d\.csv$/)
    await page.emulateMedia({ media: 'print' })
    expect(await page.locator('.rail').isVisible()).toBe(false)
    expect(await page.locator('.report-tools').isVisible()).toBe(false)
    expect(await page.locator('.controls').isVisible()).toBe(true)
  })
})

story('whoever does not oversee is not shown the way, and finds nothing there', async () => {
  await visit('alice', async ({ page }) => {
    expect(await page.getByRole('link', { name: 'Report' }).count()).toBe(0)
    await page.goto(`${stage.world.origin}/report`)
    await page.getByText('Nothing here').waitFor()
    await page.goto(`${stage.world.origin}/sessions?grant=%3Cscript%3E`)
    await page.getByRole('heading', { name: 'Sessions', exact: true }).waitFor()
    await page.goto(`${stage.world.origin}/sessions/${ids.shell}`)
    await page.locator('h1').waitFor()
  })
})
