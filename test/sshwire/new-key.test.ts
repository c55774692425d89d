import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import { expect, onTestFinished, test } from 'vitest'
import { newEd25519Key } from '../../src/sshwire/new-key.ts'
import { parseKeyLine } from '../../src/sshwire/public-key.ts'
import { has } from '../support/clients.ts'
import { run } from '../support/terminal.ts'

test('every key is whole: one in 256 begins with a zero', () => {
  // Enough that one without such a zero in 2,000 would be a wonder (1 in 2,500).
  for (let made = 0; made < 2000; made++) {
    const { publicKey, privateKey } = newEd25519Key()
    const { blob } = parseKeyLine(publicKey)
    const parsed = ssh2.utils.parseKey(privateKey)
    if (parsed instanceof Error) throw parsed
    expect(parsed.getPublicSSH()).toEqual(blob)
    const signed = parsed.sign('said')
    expect(signed instanceof Error ? signed : parsed.verify('said', signed)).toBe(true)
  }
})

test.runIf(has('ssh')).for(['', 'alice@halligan-demo', 'ä b'])(
  'ssh-keygen reads a key with the comment "%s"',
  async (comment) => {
    const folder = mkdtempSync(join(tmpdir(), 'halligan-key-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const { publicKey, privateKey } = newEd25519Key(comment)
    writeFileSync(join(folder, 'key'), privateKey, { mode: 0o600 })
    const { status, stdout } = await run('ssh-keygen', ['-y', '-f', join(folder, 'key')])
    expect(status).toBe(0)
    expect(stdout.toString().trim()).toBe(publicKey)
  },
)
