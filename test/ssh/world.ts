// A bastion with its SSH side, in this process: real listener, real procedures, real OpenSSH behind it. What is kept is
// kept in memory.
import { readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { applyGrantEvent, type Grant } from '../../src/access/grant.ts'
import type { Policy } from '../../src/access/policy.ts'
import { policyHash } from '../../src/access/policy-hash.ts'
import { systemClock, type Clock } from '../../src/clock.ts'
import { HalliganError } from '../../src/errors.ts'
import { buildDirectory } from '../../src/identity/directory.ts'
import { AddressDelay } from '../../src/identity/lockout.ts'
import { newTotpSecret, totpCode } from '../../src/identity/totp.ts'
import type { User } from '../../src/identity/user.ts'
import { Access } from '../../src/procedure/access.ts'
import { ApprovalWaits } from '../../src/procedure/approval-waits.ts'
import type { RunCommand } from '../../src/procedure/command.ts'
import { Mfa } from '../../src/procedure/mfa.ts'
import { offerFor, offerLines, type OfferPorts } from '../../src/procedure/offer.ts'
import { RequestClock } from '../../src/procedure/request-clock.ts'
import { ReviewDebts } from '../../src/procedure/review-debt.ts'
import { waitingOn, type DecisionPorts } from '../../src/procedure/waiting.ts'
import { dialCommand } from '../../src/pty/upstream.ts'
import { admit, type AdmissionPorts } from '../../src/session/admission.ts'
import { openJournal } from '../../src/journal/journal.ts'
import { bytesOf, decodeLine } from '../../src/recording/event-line.ts'
import { Live } from '../../src/session/live.ts'
import { Registry } from '../../src/session/registry.ts'
import { openRecorder } from '../../src/session/session-recorder.ts'
import type { SessionEnd } from '../../src/session/session.ts'
import { listenSsh, type SshListener } from '../../src/ssh/server.ts'
import { sshDialer } from '../../src/ssh/upstream.ts'
import { parseKeyLine } from '../../src/sshwire/public-key.ts'
import type { Target } from '../../src/target.ts'
import { keygen } from '../sshwire/keygen.ts'
import { MemoryRecorder } from './memory-recorder.ts'
import { MemoryState } from './memory-state.ts'
import { openSsh } from './openssh.ts'

export const REASON = 'checkout is down for everyone'

export interface WorldOptions {
  readonly clock?: Clock
  readonly runCommand?: RunCommand
  readonly rekeyBytes?: number
  readonly bulk?: 'full' | 'hash'
  /** The real journal, on this machine's disk, in place of the test's own recorders. */
  readonly hasJournal?: boolean
  readonly change?: (policy: Omit<Policy, 'hash'>) => Omit<Policy, 'hash'>
}

export type World = Awaited<ReturnType<typeof startWorld>>

export async function startWorld(options: WorldOptions = {}) {
  const keys = keygen()
  for (const name of ['alice', 'bob', 'stranger', 'host', 'bastion', 'credential', 'wrong-host'])
    keys.make(name, '-t', 'ed25519')
  writeFileSync(keys.path('authorized'), publicLine('credential'))
  const sshd = await openSsh(keys.path('.'))
  const clock = options.clock ?? systemClock()
  const state = new MemoryState()
  const recorders = new Map<string, MemoryRecorder>()
  const ends: { readonly session: string; readonly end: SessionEnd }[] = []
  const refusals: string[] = []
  const endWaiters: (() => void)[] = []
  const closedPort = await unusedPort()
  const journal = options.hasJournal
    ? await openJournal({ dir: keys.path('journal'), segmentBytes: 64 << 20, epochKeyFile: keys.path('epoch'), clock })
    : undefined

  function publicLine(name: string): string {
    return readFileSync(`${keys.path(name)}.pub`, 'utf8')
  }
  const person = (name: string): User => {
    const { fingerprint, key, blob, comment } = parseKeyLine(publicLine(name))
    return {
      name,
      groups: ['oncall'],
      roles: ['engineer'],
      keys: [{ fingerprint, type: key.type, blob: blob.toString('base64'), comment }],
    }
  }
  const hostKey = (name: string) => publicLine(name).split(' ').slice(0, 2).join(' ')
  const ssh = (name: string, port: number, host = 'host'): Target => ({
    kind: 'ssh',
    name,
    labels: {},
    accounts: [sshd.account],
    host: '127.0.0.1',
    port,
    hostKeys: [hostKey(host)],
    credential: 'web',
  })
  const targets: Target[] = [
    ssh('web-1', sshd.port),
    ssh('moved-1', sshd.port, 'wrong-host'),
    ssh('down-1', closedPort),
    {
      kind: 'command',
      name: 'console',
      labels: {},
      accounts: ['console'],
      argv: ['/bin/bash', '--norc', '--noprofile'],
      runAs: 'demo-self',
      cwd: '/',
      env: { PS1: 'console> ' },
    },
    {
      kind: 'postgres',
      name: 'orders',
      labels: {},
      accounts: ['app_readonly'],
      host: '127.0.0.1',
      port: 1,
      databases: ['shop'],
      ca: '',
      serverName: 'x',
      credentials: {},
    },
    ssh('secret-1', sshd.port),
  ]
  const text: Omit<Policy, 'hash'> = {
    name: 'web-emergency',
    who: { groups: ['oncall'], users: [] },
    targets: { names: ['web-1', 'moved-1', 'down-1', 'console', 'orders'], labels: {} },
    accounts: [sshd.account, 'console', 'app_readonly'],
    scope: { databases: ['shop'], schemas: ['public'], commands: [], files: true },
    triggers: [{ name: 'customer-impact' }, { name: 'security-incident' }],
    reason: { minLength: 15, incident: null },
    from: [],
    windows: [],
    onCall: null,
    duration: { defaultMs: 30 * 60_000, maxMs: 2 * 3_600_000, extensions: { count: 0, self: false } },
    mfa: { methods: ['totp'], rememberMs: 10 * 60_000 },
    approval: [{ when: {}, required: 0, from: { groups: [], roles: [] }, override: null }],
    alerts: { channels: [], gate: null },
    review: { withinMs: 8 * 3_600_000, by: { groups: [], roles: ['reviewer'] }, checklist: [], escalate: null },
    recording: { resultRows: 0, files: 'hash' },
    channelBinding: 'prefer',
    overlaps: [],
  }
  const changed = options.change?.(text) ?? text
  const policy: Policy = { ...changed, hash: policyHash(changed) }
  const users = ['alice', 'bob'].map(person)
  const registry = new Registry(clock, () => undefined)
  const mfa = new Mfa({
    clock,
    state,
    lockedOutAlerts: () => [],
    codeUsedAlerts: () => [],
    mayVouch: () => true,
    nudge: () => undefined,
  })
  const debts = new ReviewDebts({ clock, state, policy: () => policy, directory: buildDirectory(users) })
  const access = new Access({
    clock,
    state,
    registry,
    mfa,
    policies: [policy],
    targets,
    channels: [],
    debts,
    check: () => undefined,
    nudge: () => undefined,
  })
  const admission: AdmissionPorts = {
    clock,
    state,
    registry,
    ceremony: (identity, grant) => access.ceremony(identity, grant),
    openRecorder: async (session, header, onFailure) => {
      if (journal !== undefined)
        return openRecorder({ session: session.id, header, journal, clock, live: new Live(), onFailure })
      const recorder = new MemoryRecorder(session.id, (error) =>
        onFailure(new HalliganError('recorder_failed', error.message), 'failed'),
      )
      recorders.set(session.id, recorder)
      await recorder.fact('m', header)
      return recorder
    },
    checkSpace: () => Promise.resolve(),
    onEnded: (session, end) => {
      ends.push({ session: session.id, end })
      for (const wake of endWaiters.splice(0)) wake()
      return Promise.resolve()
    },
    onRecorderFailure: () => undefined,
    openedAlerts: () => [],
    gate: () => Promise.resolve({ kind: 'open' }),
  }
  const directory = buildDirectory(users)
  const offers: OfferPorts = { clock, access, directory, locks: registry.locks, channels: [] }
  const deciding: DecisionPorts = {
    clock,
    state,
    registry,
    policy: (of) => access.policy(of),
    channels: [],
    nudge: () => undefined,
    directory,
    events: () => Promise.resolve([]),
    requestClock: new RequestClock(clock),
    announcedAt: () => Promise.resolve(null),
  }
  const totpSecret = newTotpSecret()
  state.enrol('alice', totpSecret)

  const listener: SshListener = await listenSsh({
    host: '127.0.0.1',
    port: 0,
    hostKeys: [readFileSync(keys.path('bastion'), 'utf8')],
    ...(options.rekeyBytes === undefined ? {} : { rekeyBytes: options.rekeyBytes }),
    ports: {
      clock,
      directory: buildDirectory(users),
      names: { users: new Set(users.map(({ name }) => name)), targets: new Set(targets.map(({ name }) => name)) },
      access,
      mfa,
      reportRefusal: ({ reason }) => refusals.push(reason),
      addressDelay: new AddressDelay(),
      admit: (request) => admit(admission, request),
      runCommand: options.runCommand ?? (() => Promise.resolve(0)),
      grant: (id) => state.grant(id),
      waiting: (grant) => waitingOn(deciding, grant),
      waits: new ApprovalWaits(),
      describe: async (identity, ask) => offerLines(await offerFor(offers, identity, ask)),
      waitingGrant: async ({ user }, target, account) =>
        (await state.grants({ user: user.name, states: ['requested'] })).find(
          (grant) => grant.target === target && (account === undefined || grant.account === account),
        ),
      dial: (target) => {
        if (target.kind === 'ssh')
          return sshDialer({ clock, privateKey: () => readFileSync(keys.path('credential'), 'utf8') })
        if (target.kind === 'command') return dialCommand
        throw new HalliganError('internal', `${target.name} is not dialled over ssh`)
      },
      bulk: () => options.bulk ?? 'hash',
    },
  })
  writeFileSync(keys.path('known_hosts'), `[127.0.0.1]:${listener.port} ${hostKey('bastion')}\n`)

  const flags = (key = 'alice') => [
    '-F',
    'none',
    '-i',
    keys.path(key),
    '-o',
    'IdentitiesOnly=yes',
    '-o',
    'IdentityAgent=none',
    '-o',
    `UserKnownHostsFile=${keys.path('known_hosts')}`,
    '-o',
    'StrictHostKeyChecking=yes',
    '-o',
    'PreferredAuthentications=publickey,keyboard-interactive',
  ]

  return {
    keys,
    sshd,
    state,
    registry,
    recorders,
    ends,
    refusals,
    listener,
    access,
    mfa,
    totpSecret,
    targets,
    /** Options of every client; the key is alice's unless named. */
    flags,
    /** ssh's own arguments up to the command. */
    ssh: (login: string, ...more: string[]) => [
      '-p',
      String(listener.port),
      ...flags(),
      ...more,
      '-l',
      login,
      '127.0.0.1',
    ],
    code: () => totpCode(totpSecret, clock.now()),
    /** Breaks the glass beforehand, as a login from 127.0.0.1 with alice's key does. */
    async grant(target = 'web-1') {
      const [alice] = users
      if (alice === undefined) throw new Error('no alice')
      const identity = { user: alice, fingerprint: alice.keys[0]?.fingerprint ?? '', address: '127.0.0.1' }
      if (!mfa.isRemembered(identity, 600_000)) {
        const outcome = await mfa.verify(identity, totpCode(totpSecret, clock.now()))
        if (outcome.kind === 'refused') throw outcome.error
      }
      return access.request(identity, { target, trigger: 'customer-impact', reason: REASON })
    },
    /** What the real journal holds of one stream of a session. */
    async journaled(session: string, stream: 'i' | 'o' | 'e') {
      const bytes: Buffer[] = []
      for await (const { line } of journal?.lines(session) ?? []) {
        const read = bytesOf(decodeLine(line))
        if (read?.stream === stream) bytes.push(read.bytes)
      }
      return Buffer.concat(bytes)
    },
    /** What an approval does in the end. */
    async activate(grant: Grant) {
      const at = clock.now()
      const active = applyGrantEvent(grant, { kind: 'activate', at, expiresAt: at + grant.durationMs })
      await state.commit({ at, writes: [{ kind: 'grant', grant: active, expectVersion: grant.version }], leaves: [] })
      registry.track(active)
    },
    /** The one recorder there is. */
    recorder(): MemoryRecorder {
      const [only, ...more] = [...recorders.values()]
      if (only === undefined || more.length > 0) throw new Error(`${recorders.size} sessions were recorded`)
      return only
    },
    /** Resolves when `count` sessions have ended. */
    async ended(count = 1) {
      while (ends.length < count) await new Promise<void>((resolve) => endWaiters.push(resolve))
      return ends
    },
    async close() {
      const inside = registry.sessions().length
      const before = ends.length
      registry.close({ reason: 'shutdown', code: 'unavailable', message: 'the test is over' })
      while (ends.length < before + inside) await new Promise<void>((resolve) => endWaiters.push(resolve))
      await listener.close()
      await sshd.close()
      await journal?.close()
      keys.remove()
    },
  }
}

async function unusedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}
