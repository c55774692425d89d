import { chromium, type Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DrillReport } from '../../src/procedure/drill.ts'
import { has, programPath } from '../support/clients.ts'
import { leaf, leaves, processesRunning } from './traces.ts'
import { World } from './world.ts'

// The demo rehearses its promises: an admin starts it over real ssh, and its first drill is green on the page.

const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run']

describe.runIf(has('chromium', 'ssh', 'postgres'))('the first drill of a running demo', () => {
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

  test('is refused to whoever is no admin, and to an admin without a code', { timeout: 60_000 }, async () => {
    const alice = await world.exec(['alice', 'drill', 'run'], `${await world.code('alice')}\n`)
    expect(alice.status).toBe(77)
    const codeless = await world.exec(['adam', 'drill', 'run'], '')
    expect(codeless.status).toBe(77)
    expect((await leaves(world.state)).filter(({ type }) => type === 'drill-started')).toEqual([])
  })

  test('is green: every story passes on the living system', { timeout: 180_000 }, async () => {
    const terminal = world.ssh('-t', 'adam', 'drill', 'run', '--json')
    await terminal.expect('Code: ')
    terminal.type(`${await world.code('adam')}\r`)
    const [printed] = await terminal.expect(/\{"version":1.*\}\r?\n/, 150_000)
    const report = JSON.parse(printed) as DrillReport
    const broken = report.stories.filter(({ outcome }) => outcome === 'failed')
    expect(broken).toEqual([])
    expect(await terminal.exited).toBe(0)
    expect(report.passed).toBeGreaterThanOrEqual(12)
    // The demo has no alert gate: that story says why it is left out.
    expect(report.stories.filter(({ outcome }) => outcome === 'left-out').map(({ name }) => name)).toEqual([
      'gate-open',
    ])
    expect(report.figures.killMs).toBeLessThan(1000)
    const finished = await leaf(world.state, 'drill-finished')
    expect(finished).toMatchObject({ drill: report.drill, passed: report.passed, failed: 0 })
  })

  test('leaves nothing that waits for people, and nobody who could come in', { timeout: 60_000 }, async () => {
    const reviews = await world.exec(['rita', 'reviews', '--json'], `${await world.code('rita')}\n`)
    expect(JSON.parse(reviews.stdout.toString())).toEqual([])
    const listed = await world.exec(['adam', 'drill', 'list'])
    expect(listed.stdout.toString()).toMatch(/green, \d+ passed/)
    expect(listed.stdout.toString()).toMatch(/1 of \d+ (person|people) can break the glass tonight/)
    expect(processesRunning('sleep', '60')).toEqual([])
  })

  test('is green on the overview page', { timeout: 90_000 }, async () => {
    const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage()
    await page.goto(/http:\S+#once=\S+/.exec(world.printed)?.[0] ?? '')
    await page.getByRole('button', { name: 'Sign in as rita' }).click()
    await page.getByRole('heading', { name: 'Last drill' }).waitFor()
    expect(await page.locator('.drill-last').innerText()).toContain('Green')
    await page.locator('.drill-last a').click()
    await page.getByText('Time to kill').waitFor()
    expect(await page.locator('.drill-stories .badge-bad').count()).toBe(0)
  })

  test('leaves a ledger that verifies whole', { timeout: 60_000 }, async () => {
    await world.stop()
    const places = ['--state', world.state, '--key', world.demo.publicKey]
    const verified = await world.local('verify', '--all', '--json', ...places)
    expect((JSON.parse(verified.stdout.toString()) as { findings: unknown[] }).findings).toEqual([])
  })
})
