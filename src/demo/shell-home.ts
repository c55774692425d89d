// The home and the clean environment of whoever works on the demo's web-1: nothing of ours goes in.
import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface ShellHome {
  readonly folder: string
  readonly shell: string
  /** Arguments of an interactive shell; none of them reads a file of the machine's own configuration. */
  readonly interactive: readonly string[]
  /** Environment of every child, without what the client sent. */
  readonly env: Readonly<Record<string, string>>
}

const files = {
  README: `This is web-1, the demo's machine: a shell on your own computer, with this folder as its home.
Everything typed and shown here is recorded. The folder goes when the demo ends.
`,
  'shop/config.ini': `[database]
host = orders
name = shop
pool = 20

[payments]
provider = cardly
capture_timeout = 30s
`,
  'logs/app.log': Array.from({ length: 40 }, (_, n) =>
    n % 7 === 5
      ? `ERROR payments.capture order=${560 + n} provider=cardly timeout after 30s`
      : `INFO  checkout order=${560 + n} total=${(n * 1_237) % 90_000} ms=${12 + ((n * 5) % 40)}`,
  )
    .join('\n')
    .concat('\n'),
}

/** Makes the home below `folder` for the machine called `name`. */
export function makeShellHome(folder: string, name: string): ShellHome {
  const home = join(folder, 'home')
  for (const part of ['', 'shop', 'logs']) mkdirSync(join(home, part), { mode: 0o755 })
  for (const [path, text] of Object.entries(files)) writeFileSync(join(home, path), text, { mode: 0o644 })
  const bash = ['/bin/bash', '/usr/bin/bash', '/usr/local/bin/bash'].find(isProgram)
  return {
    folder: home,
    shell: bash ?? '/bin/sh',
    interactive: bash ? ['--noprofile', '--norc', '-i'] : ['-i'],
    env: {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      HOME: home,
      SHELL: bash ?? '/bin/sh',
      LANG: 'C.UTF-8',
      // Only bash knows \w.
      PS1: bash ? `${name}:\\w\\$ ` : `${name}:$ `,
      BASH_SILENCE_DEPRECATION_WARNING: '1',
    },
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
