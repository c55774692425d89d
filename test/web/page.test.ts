import { afterAll, beforeAll, expect, test } from 'vitest'
import { hasBrowser, setStage, type Stage, type Visit } from './browser.ts'
import { riskyMarker } from '../../src/postgres/line-data.ts'
import { attack, fact, ids, out, tell, typed } from './story.ts'

let stage: Stage
beforeAll(async () => {
  if (!hasBrowser) return
  stage = await setStage()
  await tell(stage.world)
}, 120_000)
afterAll(() => stage?.close())

const story = hasBrowser ? test : test.todo

/** Runs a visit; afterwards the browser must have had nothing to complain about, and nothing may stick out sideways. */
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

const go = ({ page }: Visit, path: string) => page.goto(stage.world.origin + path)
const views = () => stage.world.state.leavesWritten.filter((leaf) => leaf.type === 'session-viewed')

story('the list shows who did what and why, live ones first; search and filters narrow it', async () => {
  await visit('rita', async (at) => {
    await go(at, '/sessions')
    const rows = at.page.locator('.session-link')
    await expect.poll(() => rows.count()).toBe(6)
    expect(await at.page.locator('.broken-glass').textContent()).toContain('alice on deploy@web-1')
    await at.page.keyboard.press('/')
    await at.page.keyboard.type('orders INC-42 psql'.slice(0, 13))
    await expect.poll(() => rows.count()).toBe(3)
    await at.page.getByRole('button', { name: 'Live' }).click()
    await expect.poll(() => rows.count()).toBe(1)
  })
})

story('a shell replays, with what was typed beside it; a click finds its moment', async () => {
  await visit('rita', async (at) => {
    await go(at, `/sessions/${ids.shell}`)
    const pane = at.page.locator('.moments')
    await pane.locator('li').first().waitFor()
    expect(views()).toContainEqual({ type: 'session-viewed', session: ids.shell, by: 'rita', how: 'replay' })
    expect(await pane.textContent()).toContain('systemctl status checkout')
    expect(await at.page.locator('.stroke-paste').textContent()).toContain('curl -fsS localhost:8080/healthz')
    await pane.getByText('sudo -e /etc/checkout.env').click()
    const terminal = at.page.locator('.ap-term-text')
    await expect.poll(() => terminal.textContent()).toContain('Out of memory: Killed process')
    expect(await terminal.textContent()).not.toContain('password for deploy')
    await expect.poll(() => pane.locator('.is-now').textContent()).toContain('sudo -e /etc/checkout.env')
    await at.page.getByRole('button', { name: '16×' }).click()
    await at.page.locator('.ap-playback-button').click()
    await expect.poll(() => terminal.textContent(), { timeout: 20_000 }).toContain('logout')
  })
})

story('what the target did not echo is hidden until someone asks, and the ledger says who', async () => {
  await visit('rita', async (at) => {
    await go(at, `/sessions/${ids.shell}`)
    await at.page.locator('.stroke-hidden').waitFor()
    expect(await at.page.locator('.side-pane').textContent()).not.toContain('correct horse')
    await at.page.getByRole('button', { name: 'Reveal' }).click()
    await expect.poll(() => at.page.locator('.side-pane').textContent()).toContain('correct horse')
    expect(views()).toContainEqual({ type: 'session-viewed', session: ids.shell, by: 'rita', how: 'reveal' })
  })
})

story('a session of statements shows values, outcomes and what its transactions took back', async () => {
  await visit('rita', async (at) => {
    await go(at, `/sessions/${ids.sql}`)
    const statements = at.page.locator('.statement')
    await expect.poll(() => statements.count()).toBe(10)
    expect(await at.page.locator('.sql-error').textContent()).toContain('42501')
    expect(await at.page.locator('.is-taken-back').textContent()).toContain('rolled back')
    expect(await at.page.locator('#q5 .parameters').textContent()).toBe('$1paid$2INC-42$3{1041,1077,1102}')
    expect(await at.page.locator('#q2 .hl-keyword').first().textContent()).toBe('SELECT')
    await at.page.getByRole('button', { name: 'Errors' }).click()
    await expect.poll(() => statements.count()).toBe(1)
  })
})

story('a live shell shows its present screen and then each change; a live query appears as it is sent', async () => {
  const { world } = stage
  await visit('rita', async (at) => {
    await go(at, `/sessions/${ids.liveShell}`)
    const terminal = at.page.locator('.ap-term-text')
    await expect.poll(() => terminal.textContent()).toContain('evicted 1,204 carts')
    world.record(ids.liveShell, 60_000_000, out('03:00:12 \x1b[33mWARN\x1b[0m  cache 3.1 GiB\r\n'), typed('\x03'))
    await expect.poll(() => terminal.textContent()).toContain('cache 3.1 GiB')
    await expect.poll(() => at.page.locator('.moments').textContent()).toContain('^C')
    await go(at, `/sessions/${ids.liveSql}`)
    await at.page.locator('.statement').waitFor()
    world.record(ids.liveSql, 61_000_000, fact('q', { id: 2, kind: 'query', sql: 'SELECT pg_sleep(60)' }))
    await at.page.locator('#q2.is-running').waitFor()
    world.record(
      ids.liveSql,
      62_000_000,
      fact('d', {
        id: 2,
        tag: null,
        rows: 0,
        ms: 1_000,
        sqlstate: '57014',
        error: 'canceling statement due to user request',
      }),
    )
    await at.page.locator('#q2.is-failed').waitFor()
    expect(await at.page.locator('#q2').textContent()).toContain('57014')
    world.record(
      ids.liveSql,
      63_000_000,
      fact('q', { id: 3, kind: 'query', sql: 'DROP TABLE orders' }),
      fact('m', riskyMarker(3, ['DROP'])),
    )
    await at.page.locator('#q3 .statement-risky').waitFor()
    expect(await at.page.locator('.statement-risky').allTextContents()).toEqual(['Risky DROP'])
    await at.page.getByRole('button', { name: 'Risky' }).click()
    await expect.poll(() => at.page.locator('.statement').count()).toBe(1)
    expect(await at.page.locator('.sql-summary').textContent()).toContain('1 risky')
  })
})

story('nothing a hostile session prints, types or asks becomes script, link or picture', async () => {
  await visit('rita', async (at) => {
    for (const id of [ids.hostileShell, ids.hostileSql]) {
      await go(at, `/sessions/${id}`)
      await at.page.locator('.moments li, .statement').first().waitFor()
      const reveal = at.page.getByRole('button', { name: 'Reveal' })
      if ((await reveal.count()) > 0) await reveal.click()
      await at.page
        .getByRole('tab', { name: 'Events' })
        .click({ timeout: 2_000 })
        .catch(() => undefined)
      const text = (await at.page.locator('main').textContent()) ?? ''
      expect(text).toContain('<img src=x onerror=')
      expect(await at.page.evaluate('window.pwned')).toBeUndefined()
      expect(await at.page.locator('main img, main script, main iframe, a[href*="evil"]').count()).toBe(0)
    }
    expect(await at.page.locator('#q1').textContent()).toContain('admin\\u{202e}elif.exe')
    expect(await at.page.title()).toBe('Halligan')
    await go(at, `/sessions/${ids.hostileShell}`)
    await at.page.locator('.ap-overlay-start').click()
    await expect.poll(() => at.page.locator('.ap-term-text').textContent()).toContain('<img src=x')
    expect(await at.page.locator('.ap-wrapper a').count()).toBe(0)
    expect(attack.html).toContain('script')
  })
})

story('a recording that does not verify is not shown: the page says what was found', async () => {
  stage.world.findings.set(ids.shell, { finding: 'content_altered', message: 'frame 3 (events 40 to 61) was altered' })
  const opened = await stage.open('rita')
  await opened.page.goto(`${stage.world.origin}/sessions/${ids.shell}`)
  await expect.poll(() => opened.page.locator('.note-bad').textContent()).toContain('content_altered')
  expect(await opened.page.locator('.ap-wrapper').count()).toBe(0)
  stage.world.findings.delete(ids.shell)
  await opened.page.context().close()
})

story('another person’s session is not there for an engineer', async () => {
  const opened = await stage.open('erin')
  await opened.page.goto(`${stage.world.origin}/sessions/${ids.shell}`)
  await opened.page.getByText('Nothing here').waitFor()
  await opened.page.context().close()
})

story('a link that was used says so, and leaves no token in the address', async () => {
  const link = await stage.world.server.issueLink('rita', '127.0.0.1')
  const token = link.split('#once=')[1]
  await stage.world.post('/api/links/redeem', { token })
  const page = await (await stage.browser.newContext()).newPage()
  await page.goto(link)
  await page.getByText('That link is no good').waitFor()
  expect(page.url()).not.toContain('once')
  await page.getByRole('button', { name: 'Go on without it' }).click()
  await page.getByText('Sign in from your terminal').waitFor()
  await page.context().close()
})

story('the chosen colours stay', async () => {
  await visit('rita', async (at) => {
    const ground = () => at.page.evaluate('getComputedStyle(document.documentElement).backgroundColor')
    const light = await ground()
    await at.page.getByRole('button', { name: 'Dark' }).click()
    const dark = await ground()
    expect(dark).not.toBe(light)
    await at.page.reload()
    await at.page.locator('.session-link').first().waitFor()
    expect(await ground()).toBe(dark)
  })
})

story.each([
  ['/', '.tile'],
  ['/sessions', '.session-link'],
  ['/drills', '.drill-runs'],
  ['/drills/d7f3a', '.drill-stories'],
  [`/sessions/${ids.shell}`, '.ap-wrapper'],
  [`/sessions/${ids.sql}`, '.statement'],
  [`/sessions/${ids.hostileSql}`, '.statement'],
  ['/grants', '.grant'],
])('%s fits a phone, in the dark', async (path, ready) => {
  await visit(
    'rita',
    async (at) => {
      await go(at, path)
      await at.page.locator(ready).first().waitFor()
    },
    { width: 360, height: 740, colorScheme: 'dark' },
  )
})

story('an admin kills from the page: a code, a reason, and it is over for everyone who watches', async () => {
  const { world } = stage
  const opened = await stage.open('adam')
  const { page } = opened
  await page.goto(`${world.origin}/sessions/${ids.liveShell}`)
  await page.getByRole('button', { name: 'Kill' }).click()
  await page.getByLabel('Reason').fill('wrong host')
  await page.getByLabel('Code from your authenticator').fill('000000')
  await page.getByRole('button', { name: 'Kill session' }).click()
  await page.getByText('Wrong code').waitFor()
  expect(world.kills).toEqual([])
  await page.getByLabel('Code from your authenticator').fill(world.code('adam'))
  await page.getByRole('button', { name: 'Kill session' }).click()
  await page.locator('.end-note').getByText('killed by adam: wrong host').waitFor()
  expect(world.kills).toEqual([{ session: ids.liveShell, by: 'adam', reason: 'wrong host' }])
  expect(await page.locator('dialog').count()).toBe(0)
  // The browser names the refused code; nothing else.
  expect(opened.complaints.filter((each) => !each.includes('403'))).toEqual([])
  await page.context().close()
})

story('an admin revokes a grant, and the glass is whole again', async () => {
  const { world } = stage
  await visit('adam', async (at) => {
    await go(at, '/grants')
    await at.page.locator('.grant').first().waitFor()
    const code = world.code('adam')
    for (const reason of ['not an emergency', 'nor is this one']) {
      const before = await at.page.locator('.grant').count()
      await at.page.getByRole('button', { name: 'Revoke' }).first().click()
      await at.page.getByLabel('Reason').fill(reason)
      const field = at.page.getByLabel('Code from your authenticator')
      if (before === 2) await field.fill(code)
      await at.page.getByRole('button', { name: 'Revoke grant' }).click()
      await expect.poll(() => at.page.locator('.grant').count()).toBe(before - 1)
    }
    await at.page.getByText('The glass is whole').waitFor()
    await expect.poll(() => at.page.locator('.broken-glass').count()).toBe(0)
  })
})
