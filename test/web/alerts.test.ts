import { afterAll, beforeAll, expect, test } from 'vitest'
import { hasBrowser, setStage, type Stage } from './browser.ts'

let stage: Stage
beforeAll(async () => {
  if (!hasBrowser) return
  stage = await setStage()
  const { state } = stage.world
  const at = Date.now()
  const alerts = ['taken', 'waiting', 'dead', 'dead-too'].map((id) => ({
    id,
    channel: 'security-desk-with-a-long-name',
    type: 'grant.activated',
    at,
    payload: {},
  }))
  await state.commit({ at, writes: [], leaves: [], alerts })
  const error = `the desk refused: ${'x'.repeat(120)} \u202egnp`
  await state.commit({
    at,
    writes: [
      { kind: 'alert-failed', id: 'waiting', nextAt: at + 60_000, error },
      { kind: 'alert-dead', id: 'dead', at, error },
      { kind: 'alert-dead', id: 'dead-too', at, error },
    ],
    leaves: [],
  })
}, 120_000)
afterAll(() => stage?.close())

const story = hasBrowser ? test : test.todo

for (const width of [360, 1280])
  story(`at ${width} px: what was given up stands first, and nothing sticks out`, async () => {
    const { page, complaints } = await stage.open('rita', { width })
    await page.goto(`${stage.world.origin}/alerts`)
    await page.getByRole('heading', { name: 'Given up' }).waitFor()
    const sections = page.locator('section.alerts')
    await expect.poll(() => sections.nth(0).locator('li').count()).toBe(2)
    expect(await sections.nth(1).locator('li').count()).toBe(1)
    expect(await sections.nth(0).textContent()).toContain('\\u{202e}')
    expect(await page.getByRole('button', { name: 'Send again' }).count()).toBe(0)
    const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'
    expect(await page.evaluate(overflow)).toBe(0)
    await page.context().close()
    expect(complaints).toEqual([])
  })

story('an admin sends one again by keyboard, with a code when it is asked for', async () => {
  const { page } = await stage.open('adam')
  await page.goto(`${stage.world.origin}/alerts`)
  const button = page.getByRole('button', { name: 'Send again' }).first()
  await button.focus()
  await page.keyboard.press('Enter')
  const form = page.getByRole('form', { name: 'Send again' })
  await form.getByRole('button', { name: 'Send again' }).press('Enter')
  const code = form.getByLabel('Code from your authenticator')
  await code.waitFor()
  await code.fill(stage.world.code('adam'))
  await page.keyboard.press('Enter')
  await form.waitFor({ state: 'detached' })
  await expect.poll(() => page.locator('section.alerts').nth(0).locator('li').count()).toBe(1)
  expect(stage.world.state.leavesWritten.filter(({ type }) => type === 'alert-retried')).toHaveLength(1)
  await page.context().close()
})
