// A real Chromium over a real build of the page. Everything it complains about is collected: a page error, a refused
// inline script or style, a request that leaves the page's own origin.

import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'
import { build } from 'vite'
import { startWorld, type World } from '../http/world.ts'

const executablePath = '/usr/bin/chromium'

/** Debian's browser; without it these tests cannot run. */
export const hasBrowser: boolean = existsSync(executablePath)

export interface Stage {
  readonly world: World
  readonly browser: Browser
  /** A page signed in as `user`, and what went wrong in it so far. */
  open(user: string, options?: { width?: number; height?: number; colorScheme?: 'light' | 'dark' }): Promise<Visit>
  close(): Promise<void>
}

export interface Visit {
  readonly page: Page
  readonly complaints: string[]
}

export async function setStage(
  options: Pick<NonNullable<Parameters<typeof startWorld>[0]>, 'policies' | 'targets'> = {},
): Promise<Stage> {
  const root = await mkdtemp(join(tmpdir(), 'halligan-page-'))
  const web = resolve(import.meta.dirname, '../../web')
  await build({
    root: web,
    configFile: join(web, 'vite.config.ts'),
    configLoader: 'native',
    logLevel: 'warn',
    build: { outDir: root, emptyOutDir: true },
  })
  const world = await startWorld({ webRoot: root, ...options })
  const browser = await chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  return {
    world,
    browser,
    open: async (user, { width = 1440, height = 900, colorScheme = 'light' } = {}) => {
      const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: 'reduce' })
      const page = await context.newPage()
      page.setDefaultTimeout(15_000)
      const complaints: string[] = []
      page.on('pageerror', (error) => complaints.push(`page error: ${error.message}`))
      page.on('console', (message) => {
        if (message.type() === 'error' || message.text().includes('Content Security Policy'))
          complaints.push(`console: ${message.text()}`)
      })
      page.on('request', (request) => {
        const { protocol, host } = new URL(request.url())
        if (!['data:', 'blob:'].includes(protocol) && host !== new URL(world.origin).host)
          complaints.push(`left the page: ${request.url()}`)
      })
      await page.goto(await world.server.issueLink(user, '127.0.0.1'))
      await page.getByRole('button', { name: `Sign in as ${user}` }).click()
      await page.getByRole('navigation', { name: 'Pages' }).waitFor()
      return { page, complaints }
    },
    close: async () => {
      await browser.close()
      await world.close()
      await rm(root, { recursive: true })
    },
  }
}
