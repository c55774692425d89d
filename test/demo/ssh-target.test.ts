import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDemoSshTarget, type DemoSshTarget } from '../../src/demo/ssh-target.ts'
import { newEd25519Key } from '../../src/sshwire/new-key.ts'
import { has } from '../support/clients.ts'
import { Terminal } from '../support/terminal.ts'
import { demoFolders, isAlive, ownTemporaryDirectory, runModule, until } from './processes.ts'

ownTemporaryDirectory()

describe.runIf(has('ssh'))('the demo SSH target, through OpenSSH', () => {
  let target: DemoSshTarget
  let folder: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'demo-test-'))
    target = await startDemoSshTarget({ name: 'web-1', accounts: ['deploy', 'root'] })
    configure(target, 'config')
  })
  afterAll(async () => {
    await target.stop()
    rmSync(folder, { recursive: true })
  })

  function configure(to: DemoSshTarget, name: string): void {
    writeFileSync(join(folder, `${name}.key`), to.privateKey, { mode: 0o600 })
    writeFileSync(join(folder, `${name}.hosts`), `[${to.host}]:${to.port} ${to.hostKey}\n`)
    const lines = {
      HostName: to.host,
      Port: to.port,
      User: 'deploy',
      IdentityFile: join(folder, `${name}.key`),
      IdentitiesOnly: 'yes',
      IdentityAgent: 'none',
      BatchMode: 'yes',
      UserKnownHostsFile: join(folder, `${name}.hosts`),
    }
    writeFileSync(join(folder, name), ['Host *', ...Object.entries(lines).map((line) => line.join(' '))].join('\n'))
  }

  /** Runs a client with the target's configuration: exit code, both outputs. */
  async function run(program: string, args: readonly string[], input: Buffer | string = '') {
    const env = { PATH: process.env['PATH'], HOME: folder }
    const child = spawn(program, ['-F', join(folder, 'config'), ...args], { env, cwd: folder })
    child.stdin.on('error', () => child.stdin.destroy()).end(input)
    const [stdout, stderr, [code]] = await Promise.all([
      buffer(child.stdout),
      text(child.stderr),
      once(child, 'close') as Promise<[number]>,
    ])
    return { code, stdout, stderr }
  }
  const ssh = async (command: string, input?: Buffer | string) => {
    const { code, stdout, stderr } = await run('ssh', ['web-1', command], input)
    return { code, stdout: stdout.toString(), stderr }
  }

  test.each([
    { name: 'exit status', command: 'exit 3', want: { code: 3, stdout: '', stderr: '' } },
    {
      name: 'stdout and stderr apart',
      command: 'echo out; echo err >&2',
      want: { code: 0, stdout: 'out\n', stderr: 'err\n' },
    },
    { name: 'death by signal', command: 'kill -TERM $$', want: { code: 255, stdout: '', stderr: '' } },
    { name: 'a signal SSH has no name for', command: 'kill -XCPU $$', want: { code: 152, stdout: '', stderr: '' } },
    {
      name: 'an unknown program',
      command: 'exec /nonexistent/x 2>/dev/null',
      want: { code: 127, stdout: '', stderr: '' },
    },
    { name: 'a home of its own', command: 'cd; ls', want: { code: 0, stdout: 'README\nlogs\nshop\n', stderr: '' } },
  ])('exec: $name', async ({ command, want }) => {
    expect(await ssh(command)).toEqual(want)
  })

  test('children are nobody of importance: not root, no further groups, nothing of our environment', async () => {
    const { stdout } = await ssh('id -u; id -G; env | cut -d= -f1 | sort')
    const [uid, groups, ...names] = stdout.trim().split('\n')
    const expected = process.getuid?.() === 0 ? ['65534', '65534'] : [String(process.getuid?.()), groups]
    expect([uid, groups]).toEqual(expected)
    const known = [
      'HALLIGAN_DEMO',
      'HOME',
      'LANG',
      'OLDPWD',
      'PATH',
      'PWD',
      'SHELL',
      'SHLVL',
      '_',
      'BASH_SILENCE_DEPRECATION_WARNING',
    ]
    expect(names.filter((name) => !known.includes(name) && name !== 'PS1')).toEqual([])
  })

  test('a client may set its language, and nothing else', async () => {
    const args = ['-o', 'SetEnv', 'LC_ALL=C LD_PRELOAD=/x.so PATH=/x', 'web-1', 'echo "$LC_ALL|$LD_PRELOAD|$PATH"']
    const { stdout } = await run('ssh', [args[0] ?? '', `${args[1]}=${args[2]}`, ...args.slice(3)])
    expect(stdout.toString()).toBe('C||/usr/local/bin:/usr/bin:/bin\n')
  })

  test('8 MiB go in and come back whole, and end of input ends the program', async () => {
    const bytes = randomBytes(8 * 1024 * 1024)
    const { code, stdout } = await run('ssh', ['web-1', 'cat'], bytes)
    expect(code).toBe(0)
    expect(createHash('sha256').update(stdout).digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'))
  })

  test('all of a long stderr arrives before the exit status', async () => {
    const { code, stderr } = await ssh('head -c 3000000 /dev/zero | tr "\\0" x >&2; exit 7')
    expect([code, stderr.length]).toEqual([7, 3_000_000])
  })

  test('a terminal has a prompt, a size that follows the window, and Ctrl-C', async () => {
    const env = { PATH: process.env['PATH'] ?? '', HOME: folder, TERM: 'xterm-256color' }
    const terminal = new Terminal('ssh', ['-F', join(folder, 'config'), 'web-1'], { env, cols: 100, rows: 30 })
    await terminal.expect('web-1:~$ ')
    terminal.type('stty size; echo $TERM; id -G\r')
    await terminal.expect('30 100')
    await terminal.expect('xterm-256color')
    if (process.getuid?.() === 0) await terminal.expect('65534')
    terminal.type('cd logs\r')
    await terminal.expect('web-1:~/logs$ ')
    // Printed by the program itself: by then the terminal's foreground is its own, and Ctrl-C is for it.
    terminal.type("sh -c 'echo go$((1 + 1)); exec sleep 60'\r")
    await terminal.expect('go2')
    terminal.type('\x03')
    await terminal.expect('web-1:~/logs$ ')
    terminal.type('exit 5\r')
    expect(await terminal.exited).toBe(5)
  })

  test('a client that goes away ends the program it started', async () => {
    const child = spawn('ssh', ['-F', join(folder, 'config'), 'web-1', 'echo $$; exec sleep 300'], {
      env: { PATH: process.env['PATH'], HOME: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [pid] = (await once(child.stdout, 'data')) as [Buffer]
    expect(isAlive(Number(pid))).toBe(true)
    child.kill('SIGKILL')
    await until(() => !isAlive(Number(pid)), 10_000)
  })

  test.each([
    { name: 'another account', args: ['-l', 'alice', 'web-1', 'true'] },
    { name: 'another key', args: ['-F', 'stranger', 'web-1', 'true'] },
    { name: 'no key', args: ['-o', 'PubkeyAuthentication=no', 'web-1', 'true'] },
  ])('$name is refused', async ({ args }) => {
    configure({ ...target, privateKey: newEd25519Key().privateKey }, 'stranger')
    const { code, stderr } = await run('ssh', args)
    expect(code).toBe(255)
    expect(stderr).toContain('Permission denied')
  })

  test('forwardings are refused', async () => {
    const { stderr } = await run('ssh', ['-W', '127.0.0.1:1', 'web-1'])
    expect(stderr).toMatch(/open failed|forwarding failed/)
  })

  describe.each(['system', 'own'] as const)('files, with the %s sftp server', (sftp) => {
    let other: DemoSshTarget
    beforeAll(async () => {
      other = await startDemoSshTarget({ name: 'web-1', accounts: ['deploy'], sftp })
      configure(other, 'files')
    })
    afterAll(() => other.stop())
    const files = (program: string, args: readonly string[], input?: string) =>
      run(program, ['-F', join(folder, 'files'), ...args], input)

    test('scp brings a file there and back unchanged, with its mode and time', async () => {
      const bytes = randomBytes(3_000_000)
      writeFileSync(join(folder, 'up'), bytes, { mode: 0o640 })
      expect(await files('scp', ['-p', 'up', 'web-1:up'])).toMatchObject({ code: 0 })
      expect((await files('ssh', ['web-1', 'stat -c %a up'])).stdout.toString()).toBe('640\n')
      expect(await files('scp', ['-p', 'web-1:up', 'down'])).toMatchObject({ code: 0 })
      expect(readFileSync(join(folder, 'down')).equals(bytes)).toBe(true)
    })

    test('scp copies a folder', async () => {
      expect(await files('scp', ['-r', 'web-1:shop', 'got'])).toMatchObject({ code: 0 })
      expect(readFileSync(join(folder, 'got/config.ini'), 'utf8')).toContain('provider = cardly')
      expect(await files('scp', ['-r', 'got', 'web-1:back'])).toMatchObject({ code: 0 })
      expect((await files('ssh', ['web-1', 'ls back'])).stdout.toString()).toBe('config.ini\n')
      rmSync(join(folder, 'got'), { recursive: true })
    })

    test('sftp makes, lists, renames, links and removes', async () => {
      const batch = [
        'mkdir d',
        'put up d/one',
        'rename d/one d/two',
        'chmod 600 d/two',
        'symlink two d/link',
        'ls -l d',
      ]
        .concat(['rm d/link', 'rm d/two', 'rmdir d', '-ls d'])
        .join('\n')
      const { code, stdout } = await files('sftp', ['-b', '-', 'web-1'], `${batch}\n`)
      expect(code).toBe(0)
      expect(stdout.toString()).toMatch(/-rw------- .*two\n/)
      expect(stdout.toString()).toMatch(/lrwxrwxrwx .*link/)
      expect((await files('ssh', ['web-1', 'ls'])).stdout.toString()).not.toMatch(/^d$/m)
    })

    test('what the account may not read is refused', async () => {
      const { code, stderr } = await files('scp', ['web-1:/etc/shadow', 'shadow'])
      expect(code).not.toBe(0)
      expect(stderr).toMatch(/denied/i)
      expect(existsSync(join(folder, 'shadow'))).toBe(false)
    })
  })

  test.each([
    { name: 'plain HTTP', bytes: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n') },
    { name: 'random bytes', bytes: randomBytes(4096) },
    { name: 'an endless version line', bytes: Buffer.alloc(100_000, 'S') },
  ])('$name closes that connection and no other', async ({ bytes }) => {
    const socket = connect(target.port, target.host)
    socket.on('error', () => socket.destroy())
    socket.resume().write(bytes)
    await once(socket, 'close')
    expect(await ssh('echo still here')).toMatchObject({ stdout: 'still here\n' })
  })

  test.each(['stop', 'kill'] as const)('%s leaves no process, detached or not, and no folder behind', async (how) => {
    const known = new Set(demoFolders('demo-ssh'))
    const module = new URL('../../src/demo/ssh-target.ts', import.meta.url)
    const { child, first } = await runModule(`
      import { startDemoSshTarget } from ${JSON.stringify(module.href)}
      const { host, port, hostKey, privateKey, stop } = await startDemoSshTarget({ name: 'web-1', accounts: ['deploy'] })
      console.log(JSON.stringify({ host, port, hostKey, privateKey }))
      process.on('SIGTERM', () => void stop().then(() => process.exit()))`)
    const [made = ''] = demoFolders('demo-ssh').filter((entry) => !known.has(entry))
    configure(first as DemoSshTarget, 'leaving')
    const command = 'setsid nohup sleep 300 >/dev/null 2>&1 & echo $!; sleep 300 >/dev/null 2>&1 & echo $!'
    const { stdout } = await run('ssh', ['-F', join(folder, 'leaving'), 'web-1', command])
    const pids = stdout.toString().trim().split('\n').map(Number)
    expect(pids.map(isAlive)).toEqual([true, true])
    child.kill(how === 'stop' ? 'SIGTERM' : 'SIGKILL')
    await once(child, 'exit')
    await until(() => !pids.some(isAlive), 10_000)
    await until(() => !demoFolders('demo-ssh').includes(made), 10_000)
  })
})
