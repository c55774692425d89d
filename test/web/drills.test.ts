import { afterAll, beforeAll, expect, test } from 'vitest'
import { hasBrowser, setStage, type Stage } from './browser.ts'
import { tell } from './story.ts'

let stage: Stage
beforeAll(async () => {
  if (!hasBrowser) return
  stage = await setStage()
  await tell(stage.world)
}, 120_000)
afterAll(() => stage?.close())

const story = hasBrowser ? test : test.todo

story('the overview says how it stands, and each figure leads on', async () => {
  const { page, complaints } = await stage.open('rita')
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  const tiles = page.locator('.tile')
  await tiles.first().waitFor()
  expect(await page.locator('.drill-last').innerText()).toContain('Green')
  expect(await page.getByText('Drill weekly was due').count()).toBe(1)
  expect(await page.locator('section[aria-labelledby="readiness"]').innerText()).toMatch(
    /1 person can break the glass tonight[\s\S]*alice second factor never used[\s\S]*erin no second factor/,
  )
  await page.getByText('has 1,234 leaves').waitFor()
  expect(await page.locator('section[aria-labelledby="anchored"]').innerText()).toMatch(
    /kept outside but the last 4\.0 s; it should be 5\.0 s at most[\s\S]*vault has 1,234 leaves[\s\S]*shed has no checkpoint yet, on this machine; fails: HTTP 500/,
  )
  await page.locator('.running .session-link').first().waitFor()
  await tiles.filter({ hasText: 'live grant' }).click()
  await page.getByRole('heading', { name: 'Active grants' }).waitFor()
  expect(complaints).toEqual([])
  await page.context().close()
})

story('an engineer sees their own figures, no drills and no readiness', async () => {
  const { page, complaints } = await stage.open('erin')
  await page.getByText('You see what is yours, erin.').waitFor()
  expect(await page.locator('section[aria-labelledby="readiness"]').count()).toBe(0)
  await page.goto(`${stage.world.origin}/drills`)
  await page.getByText('Nothing here').waitFor()
  expect(complaints).toEqual([])
  await page.context().close()
})

story('a report shows what was expected beside what came, and nothing of it acts', async () => {
  const { page, complaints } = await stage.open('rita')
  await page.goto(`${stage.world.origin}/drills/d7f3a`)
  const failed = page.locator('.drill-stories li', { hasText: 'What cannot be recorded' })
  await failed.first().waitFor()
  const text = await failed.first().innerText()
  expect(text).toContain('expected so, got still running 2000 ms later \\u{1b}[31m<b>\\u{202e}')
  expect(text).toContain('not reached')
  expect(await page.getByText('240 ms').count()).toBe(1)
  expect(await page.getByRole('button', { name: 'Rehearse now' }).count()).toBe(0)
  expect(complaints).toEqual([])
  await page.context().close()
})

story('an admin starts one with a code, and is led to it', async () => {
  const { world } = stage
  const { page, complaints } = await stage.open('adam')
  await page.goto(`${world.origin}/drills`)
  await page.getByRole('button', { name: 'Rehearse now' }).click()
  await page.getByLabel('What').selectOption({ label: 'Whoever breaks the glass is heard' })
  await page.getByRole('button', { name: 'Start the drill' }).click()
  const code = page.getByLabel('Code from your authenticator')
  await code.fill('000000')
  await page.getByRole('button', { name: 'Start the drill' }).click()
  await page.getByText('Wrong code').waitFor()
  await code.fill(world.code('adam'))
  await page.getByRole('button', { name: 'Start the drill' }).click()
  await page.getByText('Rehearsing.').waitFor()
  expect(world.drills.started).toEqual([{ name: 'alert', by: 'adam' }])
  expect(new URL(page.url()).pathname).toBe('/drills/d7f3b')
  await page.goto(`${world.origin}/drills`)
  expect(await page.getByRole('button', { name: 'A drill is running' }).isDisabled()).toBe(true)
  // The browser names the refused starts; nothing else.
  expect(complaints.filter((each) => !each.includes('403'))).toEqual([])
  await page.context().close()
})
