import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { has } from '../support/clients.ts'

test.runIf(has('postgres'))(
  'what npm run dev starts ends with it, and leaves nothing',
  { timeout: 60_000 },
  async () => {
    const state = mkdtempSync(join(tmpdir(), 'halligan-dev-'))
    const script = resolve(import.meta.dirname, '../../scripts/dev.ts')
    const child = spawn(process.execPath, [script, 'demo', '--state', state, '--port-base', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      let printed = ''
      for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
        printed += String(chunk)
        if (printed.includes('Code for alice')) break
      }
      expect(existsSync(join(state, 'demo.json'))).toBe(true)
      child.stdout.resume()
      const exited = once(child, 'exit')
      child.kill('SIGINT')
      expect(await exited).toEqual([0, null])
      expect(existsSync(join(state, 'demo.json'))).toBe(false)
    } finally {
      child.kill('SIGKILL')
      rmSync(state, { recursive: true, force: true })
    }
  },
)
