import { existsSync, mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { has, programPath } from '../support/clients.ts'
import { World } from './world.ts'

// What a reviewer and an admin do in the page of the real demo, with a real browser, while real clients work.

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

/** Where `HALLIGAN_SCREENSHOTS=1 npm test -- test/e2e/page.test.ts` puts the README's picture. */
const screens =
  process.env['HALLIGAN_SCREENSHOTS'] === undefined ? undefined : resolve(import.meta.dirname, '../../docs/screens')

describe.runIf(has('chromium', 'ssh', 'psql', 'postgres'))('the page of a running demo', () => {
  let world: World
  let browser: Browser
  const complaints: string[] = []

  beforeAll(async () => {
    world = await World.start()
    browser = await chromium.launch({ executablePath: programPath('chromium') ?? '', args: flags })
  })

  afterAll(async () => {
    await browser?.close()
    await world?.close()
  })

  async function signIn(link: string, user: string): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: 'light' })
    const page = await context.newPage()
    page.on('pageerror', (error) => complaints.push(`page error: ${error.message}`))
    page.on('console', (message) => {
      // Before signing in the page asks who is there, and hears that nobody is.
      if (message.type() === 'error' && !message.text().includes('401')) complaints.push(message.text())
    })
    await page.goto(link)
    await page.getByRole('button', { name: `Sign in as ${user}` }).click()
    await page.getByRole('navigation', { name: 'Pages' }).waitFor()
    return page
  }

  /** A link for whoever has no printed one: `ssh USER web`. */
  async function webLink(user: string): Promise<string> {
    const terminal = world.ssh('-t', user, 'web')
    await terminal.expect('Code: ')
    terminal.type(`${await world.code(user)}\r`)
    const [link] = await terminal.expect(/http:\/\/localhost:\d+\/#once=[\w-]+/)
    return link
  }

  test('rita watches a shell and a psql live, late, and replays both sealed', { timeout: 90_000 }, async () => {
    const shell = await world.breakGlass('web-1')
    await shell.expect(/\$ /)
    shell.type('echo before-she-came\r')
    await shell.expect(/before-she-came\r?\n/)
    const link = /http:\S+#once=\S+/.exec(world.printed)?.[0] ?? ''
    const rita = await signIn(link, 'rita')
    await rita.locator('.session-link', { hasText: 'web-1' }).first().click()
    const screen = rita.locator('.ap-term-text')
    await expect.poll(() => screen.innerText(), { timeout: 15_000 }).toContain('before-she-came')
    shell.type('echo while-she-watches\r')
    await expect.poll(() => screen.innerText(), { timeout: 15_000 }).toContain('while-she-watches')
    const shellPage = rita.url()

    const psql = world.terminal('/bin/sh', ['-c', `psql "$(ssh -F ${world.state}/ssh_config orders dsn)"`])
    for (;;) {
      const [prompt] = await psql.expect(/Trigger [^\n]*: |Reason: |=> /)
      if (prompt === '=> ') break
      psql.type(prompt === 'Reason: ' ? 'orders are stuck since 02:40, INC-42\r' : '\r')
    }
    psql.type('select count(*) from customers;\r')
    await psql.expect('(1 row)')
    await rita.goto(world.demo.web.url)
    await rita.locator('.session-link', { hasText: 'orders' }).first().click()
    await rita.getByText('count(*)').first().waitFor()
    psql.type('select broken from nowhere;\r')
    await rita.getByText('42P01').first().waitFor()
    const sqlPage = rita.url()

    psql.type('\\q\r')
    await psql.exited
    shell.type("ls --color=always /etc | head -12; printf 'all \\e[1;32mgood\\e[0m\\n'\r")
    await shell.expect(/good[^\n]*\n/)
    shell.type('exit\r')
    await shell.exited
    await rita.getByText('Sealed').first().waitFor()
    await rita.goto(sqlPage)
    await rita.getByText('42P01').first().waitFor()
    await rita.goto(shellPage)
    await rita.getByText('sealed, complete').waitFor()
    await rita.locator('.moments li button').last().click()
    await expect
      .poll(() => rita.locator('.ap-term-text').innerText(), { timeout: 15_000 })
      .toContain('while-she-watches')
    expect(await rita.locator('.moments').innerText()).toContain('echo while-she-watches')
    if (screens !== undefined) {
      mkdirSync(screens, { recursive: true })
      await rita.screenshot({ path: `${screens}/replay.png` })
      expect(existsSync(`${screens}/replay.png`)).toBe(true)
    }
  })

  test('adam kills a running shell with a reason; rita may not', { timeout: 90_000 }, async () => {
    const shell = await world.breakGlass('web-1')
    await shell.expect(/\$ /)
    shell.type('sleep 600\r')
    const adam = await signIn(await webLink('adam'), 'adam')
    await adam.locator('.session-link', { hasText: 'web-1' }).first().click()
    await adam.getByRole('button', { name: 'Kill' }).click()
    const dialog = adam.getByRole('dialog')
    await dialog.getByRole('textbox').first().fill('this is the wrong host')
    const code = dialog.getByPlaceholder('000000')
    if (await code.isVisible()) await code.fill(await world.code('adam'))
    await dialog.getByRole('button', { name: 'Kill session' }).click()
    await shell.expect('killed by adam: this is the wrong host')
    expect(await shell.exited).toBe(130)
    const rita = await signIn(await webLink('rita'), 'rita')
    const refused = await rita.evaluate(async () => {
      const answer = await fetch('/api/sessions/saaaaaaaaaaaa/kill', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ reason: 'because I can' }),
      })
      return answer.status
    })
    expect(refused).toBeGreaterThanOrEqual(400)
  })

  test('nothing in the page complained', () => {
    expect(complaints.filter((line) => !line.includes('403') && !line.includes('404'))).toEqual([])
  })
})
