import { afterAll, beforeAll, expect, test } from 'vitest'
import { lock, unlock } from '../../src/procedure/lock.ts'
import { policyOf } from '../procedure/world.ts'
import { hasBrowser, setStage, type Stage } from './browser.ts'

let stage: Stage
beforeAll(async () => {
  if (!hasBrowser) return
  const duration = { defaultMs: 30 * 60_000, maxMs: 120 * 60_000, extensions: { count: 1, self: true } }
  stage = await setStage({ policies: [policyOf({ name: 'web-emergency', hash: '5f'.repeat(32), duration })] })
}, 120_000)
afterAll(() => stage?.close())

const story = hasBrowser ? test : test.todo
const why = 'laptop stolen in a taxi'

story('an admin locks on a phone: reason, typed name, code; the banner says it, and goes with it', async () => {
  const { world } = stage
  const { page, complaints } = await stage.open('adam', { width: 360, height: 740 })
  await page.goto(`${world.origin}/grants`)
  await page.getByText('Nothing is locked.').waitFor()
  await page.getByLabel('Name').fill('alice')
  await page.getByRole('button', { name: 'Lock…' }).click()
  const dialog = page.getByRole('dialog')
  const press = dialog.getByRole('button', { name: 'Lock user alice' })
  await dialog.getByLabel('Reason').fill(why)
  await dialog.getByLabel('Code').fill(world.code('adam'))
  expect(await press.isDisabled()).toBe(true)
  await dialog.getByLabel('Type alice').fill('alcie')
  expect(await press.isDisabled()).toBe(true)
  await dialog.getByLabel('Type alice').fill('alice')
  await press.click()
  const banner = page.locator('.is-locked')
  await expect.poll(() => banner.textContent()).toContain('user alice by adam')
  expect(world.registry.locks.all()).toMatchObject([{ scope: 'user:alice', reason: why }])
  const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'
  expect(await page.evaluate(overflow)).toBe(0)
  await page.getByRole('button', { name: 'Unlock' }).click()
  await dialog.getByLabel('Reason').fill('found it')
  await dialog.getByRole('button', { name: 'Unlock' }).click()
  await page.getByText('Nothing is locked.').waitFor()
  await expect.poll(() => banner.count()).toBe(0)
  expect(complaints).toEqual([])
  await page.context().close()
})

story('everyone sees the banner come and go, and only admins the panel', async () => {
  const { world } = stage
  const { page } = await stage.open('rita')
  await page.goto(world.origin)
  await page.getByRole('heading').first().waitFor()
  await lock(world.locking, 'target:web-1', 'adam', why)
  await expect.poll(() => page.locator('.is-locked').textContent()).toContain('target web-1 by adam')
  await page.goto(`${world.origin}/grants`)
  await page.locator('.is-locked').waitFor()
  expect(await page.locator('.lock-form').count()).toBe(0)
  await unlock(world.locking, 'target:web-1', 'adam', 'cleaned')
  await expect.poll(() => page.locator('.is-locked').count()).toBe(0)
  await page.context().close()
})

story('its owner gives a grant more time with the keyboard alone', async () => {
  const { world } = stage
  const grant = await world.grant({ id: 'gmore', policy: 'web-emergency' })
  world.registry.track(grant)
  const { page, complaints } = await stage.open('alice')
  await page.goto(`${world.origin}/grants`)
  await page.getByRole('button', { name: 'Extend' }).focus()
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('How much longer').fill('20m')
  await dialog.getByLabel('Code').fill(world.code('alice'))
  await dialog.getByLabel('Reason').fill('the rollback still runs')
  await page.keyboard.press('Enter')
  await expect.poll(() => page.locator('.grant').textContent()).toContain('extended by alice')
  expect(world.registry.live('gmore')?.expiresAt).toBe((grant.expiresAt ?? 0) + 20 * 60_000)
  expect(complaints).toEqual([])
  await page.context().close()
})
