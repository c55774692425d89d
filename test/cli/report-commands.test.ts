import { Command, CommanderError } from 'commander'
import { expect, test } from 'vitest'
import { addReportCommands } from '../../src/cli/report-commands.ts'
import type { Role } from '../../src/identity/user.ts'
import type { Figure } from '../../src/procedure/figure.ts'
import type { Report } from '../../src/procedure/report.ts'

const none = { grants: [], leaves: [], alerts: [] }
const figures: readonly Figure[] = [
  { name: 'uses', of: null, value: 2, unit: 'count', evidence: { ...none, grants: ['g1', 'g2'], leaves: [4, 9] } },
  { name: 'uses-by-trigger', of: 'evil\u001b[2J', value: 2, unit: 'count', evidence: none },
  { name: 'time-to-access-p50', of: null, value: 4_000, unit: 'ms', evidence: { ...none, grants: ['g1'] } },
  { name: 'alert-latency-p95', of: null, value: null, unit: 'ms', evidence: none },
]
const report: Report = {
  month: '2026-10',
  since: Date.UTC(2026, 9),
  before: Date.UTC(2026, 10),
  asOf: Date.UTC(2026, 10, 2),
  isOver: true,
  cut: ['grants beyond 3'],
  contradictions: ['grant g9 is nowhere'],
  sections: [
    { policy: null, figures },
    { policy: 'database', figures },
  ],
  controls: [],
}

/** Runs `report …` as somebody with `roles`; gives what was printed and which month was asked for. */
async function run(roles: readonly Role[], ...argv: string[]): Promise<{ out: string; asked: (string | undefined)[] }> {
  let out = ''
  const asked: (string | undefined)[] = []
  const root = new Command().exitOverride().configureOutput({ writeErr: () => {} })
  addReportCommands(root, {
    caller: {
      identity: { user: { name: 'otto', groups: [], roles, keys: [] }, fingerprint: 'SHA256:x', address: '::1' },
      target: undefined,
      account: undefined,
    },
    io: {
      stdout: (text) => (out += text),
      stderr: () => {},
      ask: async () => undefined,
      isTerminal: false,
      columns: 80,
      signal: new AbortController().signal,
    },
    ports: { reports: { of: async (month) => (asked.push(month), report) } },
  })
  for (const command of root.commands) command.copyInheritedSettings(root)
  await root.parseAsync(['report', ...argv], { from: 'user' })
  return { out, asked }
}

for (const role of ['admin', 'auditor', 'reviewer'] as const)
  test(`as ${role}: figures with their evidence, warnings first, no control character`, async () => {
    const { out, asked } = await run([role], '--month', '2026-10')
    expect(asked).toEqual(['2026-10'])
    expect(out).toMatch(/NOT COMPLETE: grants beyond 3\nCONTRADICTION: grant g9 is nowhere\n/)
    expect(out).toMatch(/uses \(grants activated\) +2 +2 grants, 2 leaves\n/)
    expect(out).toMatch(/request to activation, median +4s +grant g1\n/)
    expect(out).toMatch(/alert to acceptance, 95th percentile +-\n/)
    expect(out).toContain('evil\\x1b[2J')
    expect(out).not.toMatch(/[^\P{Cc}\n]/u)
  })

for (const roles of [[], ['engineer'], ['approver'], ['engineer', 'approver']] as const)
  test(`as ${roles.join(' and ') || 'nobody in particular'} it is denied, and nothing is made`, async () => {
    await expect(run(roles)).rejects.toMatchObject({ code: 'denied' })
  })

test('as JSON and as CSV it is the whole report alone', async () => {
  expect(JSON.parse((await run(['auditor'], '--json')).out)).toEqual(report)
  const { out, asked } = await run(['auditor'], '--csv')
  expect(asked).toEqual([undefined])
  expect(out.split('\r\n')).toHaveLength(1 + 2 * figures.length + 1)
})

test('both at once, or what it does not know, is a mistake', async () => {
  await expect(run(['auditor'], '--csv', '--json')).rejects.toMatchObject({ code: 'usage' })
  await expect(run(['auditor'], '--year')).rejects.toBeInstanceOf(CommanderError)
})
