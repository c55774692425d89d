import { afterAll, beforeAll, expect, test } from 'vitest'
import { DEFAULT_CHECKLIST } from '../../src/access/review.ts'
import { hasBrowser, setStage, type Stage, type Visit } from './browser.ts'
import { attack, ids, tell } from './story.ts'

let stage: Stage
beforeAll(async () => {
  if (!hasBrowser) return
  stage = await setStage()
  await tell(stage.world)
  const now = Date.now()
  const ended = { state: 'awaiting-review', expiresAt: now - 3_000_000, endedAt: now - 3_000_000 } as const
  const activated = { requestedAt: now - 5_000_000, activatedAt: now - 5_000_000 }
  const end = { how: 'returned', by: 'alice', reason: 'given back' } as const
  await stage.world.grant({
    id: 'g7f3',
    ...ended,
    ...activated,
    end,
    reviewDueAt: now + 2 * 3_600_000,
    unannouncedAt: now - 4_000_000,
    vouchedBy: 'bob',
    override: { by: 'alice', at: now - 5_000_000, reason: `nobody answers ${attack.html}` },
    checks: [{ check: 'pagerduty', outcome: 'error', detail: attack.html, onError: 'allow', at: now }],
  })
  await stage.world.grant({ id: 'glate', ...ended, ...activated, end, user: 'erin', reviewDueAt: now - 90_000 })
  for (const id of [ids.liveShell]) {
    await stage.world.end(id)
    await stage.world.seal(id)
  }
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
  expect(overflow).toBeLessThanOrEqual(0)
  // The browser names refused answers; nothing else.
  expect(opened.complaints.filter((each) => !/40[39]/.test(each))).toEqual([])
  await opened.page.context().close()
}

async function go(at: Visit, path: string): Promise<void> {
  await at.page.goto(`${stage.world.origin}${path}`)
}

story('the queue: the overdue one first, with its badge, the other with a countdown', async () => {
  await visit('rita', async (at) => {
    await at.page.keyboard.press('g')
    await at.page.keyboard.press('r')
    const rows = at.page.locator('.review-row')
    await expect.poll(() => rows.count()).toBe(2)
    expect(await rows.nth(0).textContent()).toMatch(/erin.*Overdue 1:3\d/)
    expect(await rows.nth(1).textContent()).toMatch(/alice.*Due in 1:5\d:\d\d/)
    for (const mark of ['unannounced', 'overridden', 'vouched for by bob'])
      expect(await rows.nth(1).textContent()).toContain(mark)
    await rows.nth(1).getByRole('link').click()
    await at.page.getByRole('heading', { name: 'What was done' }).waitFor()
    expect(at.page.url()).toContain('/reviews/g7f3')
  })
})

story('everything there is to judge by, and nothing of it becomes script', async () => {
  await visit('rita', async (at) => {
    await go(at, '/reviews/g7f3')
    await at.page.locator('.review-facts').waitFor()
    const text = (await at.page.locator('main').textContent()) ?? ''
    for (const word of [
      'checkout answers 502',
      'INC-42',
      'no answer, and then: allow',
      'had no second factor',
      'returned by alice',
    ])
      expect(text).toContain(word)
    expect(text).toContain('<img src=x onerror=')
    expect(await at.page.evaluate('window.pwned')).toBeUndefined()
    expect(await at.page.locator('main img, main script, a[href*="evil"]').count()).toBe(0)
    expect(text).toContain('You have not opened')
    expect(await at.page.getByRole('button', { name: 'Pass the verdict' }).isDisabled()).toBe(true)
  })
})

story(
  'rita watches what was done, answers, and passes the verdict with a code; what she wrote survives the watching',
  async () => {
    await visit('rita', async (at) => {
      const { page } = at
      await go(at, '/reviews')
      await page.locator('.review-link', { hasText: 'alice' }).click()
      await page.locator('.question').first().waitFor()
      await page.getByLabel('Findings').fill('restarted checkout, changed its cache limit')
      const links = page.locator('.review-session a')
      const count = await links.count()
      expect(count).toBe(4)
      for (let at = 0; at < count; at++) {
        await links.nth(at).click()
        await page.locator('.ap-wrapper, .statement').first().waitFor()
        await page.goBack()
        await links.first().waitFor()
      }
      await expect
        .poll(() => page.locator('.review-share').allTextContents())
        .toEqual(Array.from({ length: count }, () => 'opened by you: 100 %'))
      expect(await page.getByLabel('Findings').inputValue()).toBe('restarted checkout, changed its cache limit')
      for (const [index] of DEFAULT_CHECKLIST.entries())
        await page.locator(`input[name="question-${index}"][value="${index === 3 ? 'no' : 'yes'}"]`).check()
      await page.getByRole('radio', { name: 'Mistake' }).check()
      await page.getByLabel('Follow-up 1').fill('an alert on the cache')
      const submit = page.getByRole('button', { name: 'Pass the verdict' })
      await expect.poll(() => submit.isEnabled()).toBe(true)
      await page.getByLabel('Code from your authenticator').fill('000000')
      await submit.click()
      await page.getByText('Wrong code').waitFor()
      await page.getByLabel('Code from your authenticator').fill(stage.world.code('rita'))
      await submit.dblclick()
      await page.locator('.verdict').waitFor()
      const shown = (await page.locator('.verdict').textContent()) ?? ''
      for (const word of ['Mistake', 'by rita', 'restarted checkout', 'an alert on the cache', "Halligan's own"])
        expect(shown).toContain(word)
      const leaves = stage.world.state.leavesWritten.filter((leaf) => leaf.type === 'grant-reviewed')
      expect(leaves).toMatchObject([{ grant: 'g7f3', by: 'rita', verdict: 'mistake', shares: [1, 1, 1, 1] }])
      await go(at, '/reviews')
      await expect.poll(() => page.locator('.review-row').count()).toBe(1)
      await page.getByRole('button', { name: 'All' }).click()
      await expect.poll(() => page.locator('.review-row').count()).toBe(2)
      await expect.poll(() => page.locator('.review-figures').textContent()).toContain('by rita')
    })
  },
)

story('adam re-opens it with a reason; the earlier verdict stays in sight', async () => {
  await visit('adam', async (at) => {
    const { page } = at
    await go(at, '/reviews/g7f3')
    await page.getByRole('button', { name: 'Re-open' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Reason').fill('a customer complained')
    await dialog.getByLabel('Code from your authenticator').fill(stage.world.code('adam'))
    await dialog.getByRole('button', { name: 'Re-open' }).click()
    await page.getByText('Earlier reviews').waitFor()
    expect(await page.locator('.review-reopened').textContent()).toContain('Re-opened by adam')
    expect(await page.locator('.review-deciding').textContent()).toContain('no reviewer of grant g7f3')
    expect(await page.getByRole('button', { name: 'Pass the verdict' }).count()).toBe(0)
  })
})

story('alice sees her own, and judges nothing', async () => {
  await visit('alice', async (at) => {
    await go(at, '/reviews')
    await expect.poll(() => at.page.locator('.review-row').count()).toBe(1)
    expect(await at.page.locator('.review-figures').count()).toBe(0)
    await at.page.locator('.review-link').click()
    await at.page.getByText('took part in grant g7f3').waitFor()
    await go(at, '/reviews/glate')
    await at.page.getByText('Nothing here').waitFor()
    // Nothing of another person's is told, and the browser names the refusal.
    at.complaints.splice(0, at.complaints.length, ...at.complaints.filter((each) => !each.includes('404')))
  })
})

story.each(['/reviews', '/reviews/glate', '/reviews/g7f3'])('%s fits a phone, in the dark, and paper', async (path) => {
  await visit(
    'rita',
    async (at) => {
      await go(at, path)
      await at.page.locator('.review-row, .review-facts').first().waitFor()
      await at.page.emulateMedia({ media: 'print' })
      expect(await at.page.locator('.rail').isVisible()).toBe(false)
      expect(await at.page.locator('.verdict-form').isVisible()).toBe(false)
      await at.page.emulateMedia({ media: 'screen' })
    },
    { width: 360, height: 740, colorScheme: 'dark' },
  )
})
