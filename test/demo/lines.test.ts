import { execFileSync } from 'node:child_process'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { codeFacts, showCode } from '../../src/demo/code-display.ts'
import { codeLine, demoLines, shellQuoted, type DemoFacts } from '../../src/demo/lines.ts'
import { totpCode } from '../../src/identity/totp.ts'
import { FakeClock } from '../support/clock.ts'

const facts: DemoFacts = {
  configFile: '/srv/halligan/.halligan/demo/ssh_config',
  webLink: 'http://localhost:8080/#once=AbC_-123',
  aliases: { shell: 'web-1', database: 'orders', reviewer: 'rita' },
  notes: ['Port 2222 was taken: ssh is on 40123.'],
}
const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'

function numbered(text: string): string[] {
  return text.split('\n').flatMap((line) => /^[123] {2}(.*)$/.exec(line)?.[1] ?? [])
}

test('the three numbered lines are exactly what is to be pasted', () => {
  expect(numbered(demoLines(facts, { columns: 80, unicode: true }))).toEqual([
    'ssh -F /srv/halligan/.halligan/demo/ssh_config web-1',
    'psql "$(ssh -F /srv/halligan/.halligan/demo/ssh_config orders dsn)"',
    'http://localhost:8080/#once=AbC_-123',
  ])
})

test('notes are said, and without unicode every character is ASCII', () => {
  const text = demoLines(facts, { columns: 20, unicode: false })
  expect(text).toContain('   Port 2222 was taken: ssh is on 40123.\n')
  expect(text).toMatch(/^[\x20-\x7E\n]*$/)
  expect(text.endsWith('\n')).toBe(true)
})

test('the rules are never wider than the terminal', () => {
  for (const columns of [20, 80, 500]) {
    const rules = demoLines(facts, { columns, unicode: true })
      .split('\n')
      .filter((line) => line.includes('──'))
    expect(rules).toHaveLength(2)
    for (const rule of rules) expect(rule.length).toBeLessThanOrEqual(Math.min(columns, 100))
  }
})

test('a path that needs quotes survives both shells of the second line', () => {
  const configFile = "/tmp/it's a $(path) & more/ssh_config"
  const [first = '', second = ''] = numbered(demoLines({ ...facts, configFile }, { columns: 80, unicode: true }))
  const sh = (line: string) =>
    execFileSync('sh', ['-c', `ssh() { printf '%s|' "$@"; }; psql() { printf '%s' "$1"; }; ${line}`])
  expect(sh(first).toString()).toBe(`-F|${configFile}|web-1|`)
  expect(sh(second).toString()).toBe(`-F|${configFile}|orders|dsn|`)
})

test('any word without NUL comes out of the shell as it went in', () => {
  const word = fc.string({ minLength: 1, unit: 'binary' }).filter((text) => !text.includes('\0'))
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), (words) => {
      const out = execFileSync('sh', ['-c', `printf '%s\\0' ${words.map(shellQuoted).join(' ')}`])
      expect(out.toString()).toBe(`${words.join('\0')}\0`)
    }),
    { numRuns: 10 },
  )
})

test('the code now, the one after it, and how long is left', () => {
  const now = Date.UTC(2026, 10, 21, 3, 0, 11)
  const shown = codeFacts('alice', secret, now)
  expect(shown).toEqual({
    user: 'alice',
    code: totpCode(secret, now),
    next: totpCode(secret, now + 30_000),
    leftMs: 19_000,
  })
  expect(codeLine({ user: 'alice', code: '012345', next: '678901', leftMs: 18_001 })).toBe(
    '   Code for alice: 012345 (19 s), then 678901',
  )
})

test('on a terminal the code is drawn again in place, and the line is ended at the stop', () => {
  const clock = new FakeClock(Date.UTC(2026, 10, 21, 3, 0, 0))
  const written: string[] = []
  const output = { isTTY: true, columns: 200, write: (text: string) => written.push(text) }
  const display = showCode(output, clock, { user: 'alice', totpSecret: secret })
  const first = totpCode(secret, clock.now())
  const second = totpCode(secret, clock.now() + 30_000)
  clock.advance(30_000)
  expect(written).toHaveLength(31)
  expect(written[0]).toBe(`\r\u001B[2K   Code for alice: ${first} (30 s), then ${second}`)
  expect(written[29]).toContain(`${first} (1 s)`)
  expect(written[30]).toContain(`${second} (30 s)`)
  display.stop()
  clock.advance(60_000)
  expect(written.slice(31)).toEqual(['\n'])
})

test('a terminal too narrow for the line gets what fits, and a file gets one line and the command', () => {
  const clock = new FakeClock()
  const narrow: string[] = []
  showCode({ isTTY: true, columns: 20, write: (text) => narrow.push(text) }, clock, {
    user: 'alice',
    totpSecret: secret,
  })
  expect(narrow[0]?.replace('\r\u001B[2K', '')).toHaveLength(19)
  const file: string[] = []
  const display = showCode({ write: (text) => file.push(text) }, clock, { user: 'alice', totpSecret: secret })
  clock.advance(5000)
  display.stop()
  expect(file).toHaveLength(1)
  expect(file[0]).toMatch(/demo code alice\n$/)
})
