// `npm test`: finds the real programs the tests need, installs Debian's where it may, runs vitest, and says what was left
// out and which package brings it. Arguments go to vitest. The last line is `N passed, N failed`.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import * as z from 'zod'
import { groups, missingGroups, programPath, type GroupName } from '../test/support/clients.ts'

const root = resolve(import.meta.dirname, '..')
const isCi = process.env['CI'] === 'true'
/** A mirror that hangs must not hang the run. */
const INSTALL_LIMIT_MS = 10 * 60_000
/** Many times what the whole suite takes on two cores: only a hang is longer. */
const RUN_LIMIT_MS = 20 * 60_000

const mayInstall = process.getuid?.() === 0 && (isCi || process.env['HALLIGAN_TEST_INSTALL'] === '1')
if (mayInstall) installMissing()
const leftOut = missingGroups()
const counts = runVitest(process.argv.slice(2), leftOut)

for (const name of leftOut) console.log(`left out: ${name} (${howToGet(name)})`)
// A machine that is there to test everything has failed when it did not.
if (isCi) counts.failed += leftOut.length
console.log(`${counts.passed} passed, ${counts.failed} failed`)
process.exitCode = counts.failed === 0 ? 0 : 1

function installMissing(): void {
  const packages = missingGroups().flatMap((name) => groups[name].packages)
  if (packages.length === 0 || programPath('apt-get') === undefined) return
  console.log(`installing ${packages.join(' ')}`)
  const apt = (args: readonly string[]) =>
    spawnSync('apt-get', args, {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: INSTALL_LIMIT_MS,
    }).status === 0
  // What could not be installed is found missing again and told.
  if (!apt(['update', '-qq']) || !apt(['install', '-qq', '-y', '--no-install-recommends', ...packages]))
    console.log('apt-get did not install all of them')
}

function howToGet(name: GroupName): string {
  const { packages } = groups[name]
  return packages.length > 0 ? `apt-get install ${packages.join(' ')}` : 'the npm registry has none for this platform'
}

function runVitest(args: readonly string[], leftOut: readonly GroupName[]): { passed: number; failed: number } {
  const folder = mkdtempSync(join(tmpdir(), 'halligan-test-'))
  const report = join(folder, 'report.json')
  try {
    const { status } = spawnSync(
      process.execPath,
      [
        join(root, 'node_modules/vitest/vitest.mjs'),
        // Node reads the configuration as it is: the packages may be another user's, where nothing can be written.
        '--configLoader=native',
        'run',
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${report}`,
        ...args,
      ],
      {
        cwd: root,
        stdio: 'inherit',
        timeout: RUN_LIMIT_MS,
        killSignal: 'SIGKILL',
        env: { ...process.env, HALLIGAN_TEST_LEFT_OUT: leftOut.join(',') },
      },
    )
    return count(report, status === 0)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Passed and failed tests; a file that does not load, and errors outside of any test, count as one failure each. */
function count(report: string, isClean: boolean): { passed: number; failed: number } {
  if (!existsSync(report)) return { passed: 0, failed: 1 }
  const schema = z.object({
    numPassedTests: z.int(),
    numFailedTests: z.int(),
    testResults: z.array(z.object({ status: z.string(), assertionResults: z.array(z.object({ status: z.string() })) })),
  })
  const result = schema.parse(JSON.parse(readFileSync(report, 'utf8')))
  const broken = result.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((assertion) => assertion.status === 'failed'),
  )
  const failed = result.numFailedTests + broken.length
  return { passed: result.numPassedTests, failed: failed === 0 && !isClean ? 1 : failed }
}
