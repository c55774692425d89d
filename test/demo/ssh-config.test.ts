import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { writeSshConfig } from '../../src/demo/ssh-config.ts'
import { startDemoSshTarget } from '../../src/demo/ssh-target.ts'
import { demoUsers } from '../../src/demo/users.ts'
import { newEd25519Key } from '../../src/sshwire/new-key.ts'
import { has } from '../support/clients.ts'
import { run } from '../support/terminal.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'demo-test-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const people = [
  { name: 'alice', groups: ['oncall'] },
  { name: 'rita', groups: ['security'] },
]

describe('the demo users', () => {
  test('are made once and are the same at the next start', () => {
    const keys = join(folder, 'keys')
    const users = demoUsers(keys, people)
    expect(demoUsers(keys, people)).toEqual(users)
    expect(users.map(({ name, groups, keyFile }) => ({ name, groups, keyFile }))).toEqual([
      { ...people[0], keyFile: join(keys, 'alice') },
      { ...people[1], keyFile: join(keys, 'rita') },
    ])
    expect(new Set(users.map((user) => user.totpSecret)).size).toBe(2)
    for (const { totpSecret } of users) expect(totpSecret).toMatch(/^[A-Z2-7]{32}$/)
  })

  test('have keys that only their owner reads and that belong together', () => {
    for (const { keyFile, publicKey } of demoUsers(folder, people)) {
      expect(statSync(keyFile).mode & 0o777).toBe(0o600)
      expect(statSync(`${keyFile}.json`).mode & 0o777).toBe(0o600)
      const key = ssh2.utils.parseKey(readFileSync(keyFile))
      if (key instanceof Error) throw key
      expect(publicKey.split(' ')[1]).toBe(key.getPublicSSH().toString('base64'))
    }
  })

  test('get new keys when the old ones are gone', () => {
    const [before] = demoUsers(folder, people)
    rmSync(join(folder, 'alice'))
    expect(demoUsers(folder, people)[0]?.publicKey).not.toBe(before?.publicKey)
  })

  test.each(['', '{', '{"publicKey":1}', '{"publicKey":"x","totpSecret":"!"}'])('kept as %j are refused', (text) => {
    demoUsers(folder, people)
    writeFileSync(join(folder, 'alice.json'), text)
    expect(() => demoUsers(folder, people)).toThrow(expect.objectContaining({ code: 'config_invalid' }))
  })
})

describe('the demo ssh_config', () => {
  test.each(['"', '\\', '\n', '${HOME}'])('a folder with %j in its name is refused', (part) => {
    const [alice] = demoUsers(folder, people)
    if (!alice) throw new Error('no alice')
    const entries = [{ alias: 'web-1', login: 'alice+web-1', user: { ...alice, keyFile: `/x${part}y/alice` } }]
    const write = () =>
      writeSshConfig({ folder, host: '127.0.0.1', port: 2222, hostKeys: ['ssh-ed25519 AAAA'], entries })
    expect(write).toThrow(expect.objectContaining({ code: 'config_invalid' }))
  })

  test.runIf(has('ssh'))('names logins, keys and host for each alias, as ssh itself reads it', () => {
    const [alice, rita] = demoUsers(join(folder, 'keys'), people)
    if (!alice || !rita) throw new Error('no users')
    const { configFile } = writeSshConfig({
      folder,
      host: '127.0.0.1',
      port: 2222,
      hostKeys: ['ssh-ed25519 AAAA'],
      entries: [
        { alias: 'web-1', login: 'alice+web-1', user: alice },
        { alias: 'rita', login: 'rita', user: rita },
      ],
    })
    const read = (alias: string) =>
      execFileSync('ssh', ['-F', configFile, '-G', alias], { stdio: 'pipe' }).toString().split('\n')
    expect(read('web-1')).toEqual(
      expect.arrayContaining(['user alice+web-1', 'port 2222', 'hostname 127.0.0.1', 'identitiesonly yes']),
    )
    expect(read('web-1')).toContain(`identityfile ${alice.keyFile}`)
    expect(read('rita')).toEqual(expect.arrayContaining(['user rita', `identityfile ${rita.keyFile}`]))
  })

  // Only a login shows that quoting reached the file: -G prints what was read, not what will be opened.
  test.runIf(has('ssh')).each(['plain', 'with space', 'per%cent', "quo'te", '$HOME', 'tilde~', 'ünicode', '#hash'])(
    'logs in from a folder called %j, whatever HOME is',
    async (name) => {
      const state = join(folder, name)
      mkdirSync(state)
      const target = await startDemoSshTarget({ name: 'web-1', accounts: ['deploy'] })
      try {
        const [alice] = demoUsers(join(state, 'keys'), people)
        if (!alice) throw new Error('no alice')
        // A name of its own: beside a `.pub` ssh offers that one first.
        const keyFile = join(state, 'key')
        writeFileSync(keyFile, target.privateKey, { mode: 0o600 })
        const { configFile } = writeSshConfig({
          folder: state,
          host: target.host,
          port: target.port,
          hostKeys: [target.hostKey],
          entries: [{ alias: 'web-1', login: 'deploy', user: { ...alice, keyFile } }],
        })
        for (const home of ['/nonexistent', '', 'relative', folder]) {
          const { status, stdout, stderr } = await run('ssh', ['-F', configFile, 'web-1', 'echo in'], {
            env: { PATH: process.env['PATH'] ?? '', HOME: home, SSH_AUTH_SOCK: '/nonexistent' },
          })
          expect({ status, stdout: stdout.toString(), stderr }).toEqual({ status: 0, stdout: 'in\n', stderr: '' })
        }
      } finally {
        await target.stop()
      }
    },
  )

  test.runIf(has('ssh'))('another host key is refused without asking', async () => {
    const target = await startDemoSshTarget({ name: 'web-1', accounts: ['deploy'] })
    try {
      const [alice] = demoUsers(folder, people)
      if (!alice) throw new Error('no alice')
      const hostKeys = [newEd25519Key().publicKey]
      const entries = [{ alias: 'web-1', login: 'deploy', user: alice }]
      const { configFile } = writeSshConfig({ folder, host: target.host, port: target.port, hostKeys, entries })
      const { status, stderr } = await run('ssh', ['-F', configFile, 'web-1', 'true'])
      expect(status).toBe(255)
      expect(stderr).toContain('Host key verification failed')
    } finally {
      await target.stop()
    }
  })
})
