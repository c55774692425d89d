import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SearchMatch } from '../../src/procedure/search.ts'
import { hasBrowser, setStage, type Stage } from './browser.ts'
import { ids, tell } from './story.ts'

let stage: Stage
beforeAll(async () => {
  if (!hasBrowser) return
  stage = await setStage()
  await tell(stage.world)
}, 120_000)
afterAll(() => stage?.close())

const story = hasBrowser ? test : test.todo

const match = (session: string, place: number, ms: number, more: Partial<SearchMatch> = {}): SearchMatch => ({
  place,
  session,
  line: 7,
  ms,
  at: Date.now() - 60_000,
  kind: 'screen',
  excerpt: [
    { text: 'before ', isMatch: false },
    { text: 'needle', isMatch: true },
    { text: ' <b>after</b>\u202e', isMatch: false },
  ],
  ...more,
})

story('/ and Enter search inside recordings; a hit leads to its moment, and back to the hits', async () => {
  stage.world.matches = [match(ids.shell, 2, 4_000), match(ids.sql, 1, 3_000, { kind: 'statement' })]
  const { page, complaints } = await stage.open('rita')
  await page.goto(`${stage.world.origin}/sessions`)
  await page.locator('.session-row .session-link').first().waitFor()
  const before = stage.world.asked.length
  await page.keyboard.press('/')
  await page.keyboard.type('needle user:alice')
  expect(stage.world.asked.length).toBe(before)
  await page.keyboard.press('Enter')
  await page.getByText('2 hits, newest first').waitFor()
  expect(stage.world.asked.at(-1)?.query).toMatchObject({ phrases: ['needle'], users: ['alice'] })
  expect(await page.locator('.hit mark').allInnerTexts()).toEqual(['needle', 'needle'])
  expect(await page.locator('.hit-text').first().innerText()).toContain('<b>after</b>\\u{202e}')
  await page.locator('.hit-link').first().click()
  await page.locator('.playhead').waitFor()
  expect(new URL(page.url()).search).toBe('?t=4')
  expect(await page.locator('.playhead').innerText()).toMatch(/^0?0:04/)
  await page.goBack()
  await page.getByText('2 hits, newest first').waitFor()
  await page.locator('.hit-link').nth(1).click()
  await page.locator('.statement.is-asked').waitFor()
  expect(await page.locator('.statement.is-asked').count()).toBe(1)
  expect(complaints).toEqual([])
  await page.context().close()
})

story('nothing found, nothing asked and a failing index each say what to do; 360 px hold it all', async () => {
  stage.world.matches = []
  const { page } = await stage.open('alice', { width: 360, height: 740 })
  await page.goto(`${stage.world.origin}/sessions?q=nowhere`)
  await page.getByRole('heading', { name: 'Nothing found' }).waitFor()
  await page.goto(`${stage.world.origin}/sessions?q=!!`)
  await page.getByRole('heading', { name: 'Nothing to search for' }).waitFor()
  stage.world.matches = [match(ids.shell, 2, 4_000, { excerpt: [{ text: 'x'.repeat(240), isMatch: true }] })]
  await page.goto(`${stage.world.origin}/sessions?q=${'x'.repeat(900)}`)
  await page.locator('.hit').waitFor()
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360)
  await page.route('**/api/search?*', (route) =>
    route.fulfill({ status: 503, json: { title: 'nothing can be searched', code: 'unavailable', hint: 'try again' } }),
  )
  await page.goto(`${stage.world.origin}/sessions?q=needle`)
  await page.getByRole('heading', { name: 'Nothing can be searched' }).waitFor()
  await page.unroute('**/api/search?*')
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.getByText('1 hit, newest first').waitFor()
  await page.getByRole('button', { name: 'Back to all sessions' }).click()
  await page.locator('.session-row .session-link').first().waitFor()
  expect(new URL(page.url()).search).toBe('')
  await page.context().close()
})

story('a moment that cannot be is no moment', async () => {
  const { page, complaints } = await stage.open('rita')
  for (const moment of ['-1', '1e9', 'NaN', '99999999', '<script>']) {
    await page.goto(`${stage.world.origin}/sessions/${ids.shell}?t=${encodeURIComponent(moment)}`)
    await page.locator('.playhead').waitFor()
  }
  expect(complaints).toEqual([])
  await page.context().close()
})
