// A story performed on a whole bastion, by clients that come over its own ports as anybody's do. The same stage serves
// drills and tests; what it stands on is handed in, and what only tests have is theirs to do (`beyond`).

import type { Grant } from '../access/grant.ts'
import { formatDuration } from '../access/duration.ts'
import { assert, HalliganError } from '../errors.ts'
import type { State } from '../session/state.ts'
import type { Actor } from './actor.ts'
import {
  alertAccepted,
  awaited,
  type EvidencePorts,
  leavesAbout,
  ledgerSays,
  recordingShows,
  sealedSessions,
  tamperedCopyFound,
  verified,
} from './evidence.ts'
import { type Held, HeldSessions } from './held-sessions.ts'
import { type Clients, ownClients } from './clients.ts'
import { commandLine, loginOf } from './credential.ts'
import type { PostgresLogin, PostgresPlace } from './psql-client.ts'
import { refusalOf, type Told } from './refusal.ts'
import type { SshLogin, SshPlace, SshRan } from './ssh-client.ts'
import { type Action, type Beyond, type Credential, type Happening, isBeyond, type Place, type Player } from './step.ts'
import type { Outcome, World } from './world.ts'

/** Where a place of a story is on this bastion, and what its policy wants to hear. */
export interface Scene {
  readonly kind: 'host' | 'database'
  readonly target: string
  readonly account: string
  readonly policy: string | null
  readonly trigger: string | null
  /** A reference that the policy takes; null where it wants none. */
  readonly incident: string | null
  /** Null: the target's first. */
  readonly database: string | null
}

export interface StagePorts extends EvidencePorts {
  readonly state: EvidencePorts['state'] & Pick<State, 'grant' | 'ledgerHead'>
  readonly ssh: SshPlace
  readonly postgres: PostgresPlace
  /** With these the glass is broken and used; what else is said of it goes over our own. */
  readonly clients: Clients
  readonly actor: (player: Player) => Actor
  /** Throws `not_found` where this bastion has no such place. */
  readonly scene: (place: Place) => Scene
  /** Breaks the recorder of a session of this story. */
  readonly failRecorder: (session: string) => void
  /** Passes the time until `at` (ms): a drill waits, a test moves its clock. */
  readonly until: (at: number) => Promise<void>
  /** What only tests have. */
  readonly beyond: (action: Beyond, stage: Stage) => Promise<Outcome>
}

/** A grant takes effect and is refused at once; its sessions are rows within moments. */
const ROW_MS = 5_000

export class Stage implements World {
  readonly #ports: StagePorts
  readonly #startedAt: number
  readonly #held = new HeldSessions()
  /** Names of those who have done something. */
  readonly #acted = new Set<string>()
  /** Whoever broke the glass last: `ssh` and `psql` are theirs. */
  #owner: { readonly player: Player; readonly place: Place } | undefined
  #grant: Grant | undefined
  #secret: { readonly grant: string; readonly login: PostgresLogin } | undefined
  /** When access ended or its reason came (monotonic µs); what `every session ends` is measured from. */
  #overUs: number | undefined
  #askedUs: number | undefined

  constructor(ports: StagePorts) {
    this.#ports = ports
    this.#startedAt = ports.clock.now()
  }

  /** The grant that the story is about; undefined before there is one. */
  get grant(): Grant | undefined {
    return this.#grant
  }

  /** What happens now ends access: `every session ends` is measured from here. */
  ends(): void {
    this.#overUs = this.#ports.clock.monotonicUs()
  }

  async perform(action: Action): Promise<Outcome> {
    if ('who' in action) this.#acted.add(this.#ports.actor(action.who).name)
    if (isBeyond(action)) return this.#ports.beyond(action, this)
    switch (action.kind) {
      case 'break-glass':
        return this.#breakGlass(action)
      case 'connect':
        return this.#connect(action.who, action.place, action.with)
      case 'run':
        return this.#run(action)
      case 'decide': {
        const note = action.how === 'approve' ? '--note' : '--reason'
        return this.command(action.who, [action.how, this.#grantId(), note, 'a rehearsal'])
      }
      case 'override':
        return this.#override(action.who, action.reason)
      case 'extend':
        return this.command(action.who, ['extend', this.#grantId(), '--reason', action.reason])
      case 'take-away':
        return this.#takeAway(action.who, action.how)
      case 'review':
        return this.#review(action)
      default:
        return this.#happen(action)
    }
  }

  async close(): Promise<void> {
    this.#held.close()
  }

  /** What one of Halligan's commands printed, said by that person. Throws `denied` when it failed. */
  async printed(player: Player, words: readonly string[]): Promise<string> {
    const ran = await this.#say(player, words)
    if (ran.status !== 0) throw new HalliganError('denied', ran.stderr.trim())
    return ran.stdout
  }

  /** Runs one of Halligan's commands as that person; done, waiting or refused, by its exit status. */
  async command(player: Player, words: readonly string[]): Promise<Outcome> {
    const since = await this.#ledgerSize()
    const ran = await this.#say(player, words)
    return this.#attempted(player, ran, since)
  }

  async #say(player: Player, words: readonly string[], clients: Clients = ownClients): Promise<SshRan> {
    const actor = this.#ports.actor(player)
    const login = loginOf(actor, actor.name, 'its code')
    return clients.runSsh(this.#ports.ssh, login, commandLine(words))
  }

  async #breakGlass({ who, place, forMs, reason }: Extract<Action, { kind: 'break-glass' }>): Promise<Outcome> {
    const scene = this.#ports.scene(place)
    const since = await this.#ledgerSize()
    this.#askedUs = this.#ports.clock.monotonicUs()
    const words = [
      'request',
      scene.target,
      '--account',
      scene.account,
      '--reason',
      reason,
      '--json',
      ...(scene.trigger === null ? [] : ['--trigger', scene.trigger]),
      ...(scene.incident === null ? [] : ['--incident', scene.incident]),
      ...(scene.policy === null ? [] : ['--policy', scene.policy]),
      ...(forMs === null ? [] : ['--for', formatDuration(forMs)]),
    ]
    const ran = await this.#say(who, words, this.#ports.clients)
    const id = /"id":"(g[a-z0-9]+)"/.exec(ran.stdout)?.[1]
    if (id !== undefined && (ran.status === 0 || ran.status === 75)) {
      this.#grant = await this.#ports.state.grant(id)
      this.#owner = { player: who, place }
      this.#overUs = undefined
    }
    return this.#attempted(who, ran, since)
  }

  async #connect(who: Player, place: Place, credential: Credential): Promise<Outcome> {
    const scene = this.#ports.scene(place)
    if (scene.kind === 'database') return this.#connectToDatabase(who, scene, credential)
    const actor = this.#ports.actor(who)
    const since = await this.#ledgerSize()
    const login = loginOf(actor, `${actor.name}+${scene.account}@${scene.target}`, credential)
    return this.#attempted(who, await this.#ports.clients.runSsh(this.#ports.ssh, login, 'exit 0'), since)
  }

  async #connectToDatabase(who: Player, scene: Scene, credential: Credential): Promise<Outcome> {
    const actor = this.#ports.actor(who)
    const since = await this.#ledgerSize()
    if (credential === 'a made-up secret') {
      const database = scene.database === null ? scene.target : `${scene.target}/${scene.database}`
      const ran = await this.#ports.clients.runPsql(
        this.#ports.postgres,
        { user: actor.name, secret: 'x'.repeat(43), database },
        'select 1',
      )
      if (ran.kind === 'rows') return attempted('done', 'a secret that was made up was taken')
      return this.#refused(who, { status: ran.sqlstate, text: ran.message }, since)
    }
    const words = ['dsn', scene.target, '--account', scene.account]
    if (scene.database !== null) words.push('--database', scene.database)
    const login = loginOf(actor, actor.name, credential)
    return this.#attempted(who, await this.#ports.clients.runSsh(this.#ports.ssh, login, commandLine(words)), since)
  }

  async #run({ client, command, prints }: Extract<Action, { kind: 'run' }>): Promise<Outcome> {
    const { player } = this.#mustOwn()
    const since = await this.#ledgerSize()
    const ran = client === 'ssh' ? await this.#runOnHost(player, command) : await this.#runStatement(player, command)
    if (ran.kind === 'refused') return this.#refused(player, ran.told, since)
    const figure = this.#accessFigure()
    if (prints !== null && !prints.test(ran.text))
      return { kind: 'not-so', detail: `printed ${JSON.stringify(ran.text.slice(0, 120))}`, ...figure }
    return { ...attempted('done', `printed ${JSON.stringify(ran.text.trim().slice(0, 60))}`), ...figure }
  }

  async #runOnHost(player: Player, command: string): Promise<Ran> {
    const ran = await this.#ports.clients.runSsh(this.#ports.ssh, this.#hostLogin(player), command)
    if (ran.status === 0) return { kind: 'ran', text: ran.stdout }
    return { kind: 'refused', told: { status: String(ran.status), text: ran.stderr } }
  }

  async #runStatement(player: Player, sql: string): Promise<Ran> {
    const login = await this.#databaseLogin(player)
    if ('refused' in login) return { kind: 'refused', told: login.refused }
    const ran = await this.#ports.clients.runPsql(this.#ports.postgres, login, sql)
    if (ran.kind === 'rows') return { kind: 'ran', text: ran.text }
    return { kind: 'refused', told: { status: ran.sqlstate, text: ran.message } }
  }

  #hostLogin(player: Player): SshLogin {
    const actor = this.#ports.actor(player)
    const { target, account } = this.#ports.scene(this.#mustOwn().place)
    return loginOf(actor, `${actor.name}+${account}@${target}`, 'its code')
  }

  /** The secret of the present grant, made once: as it is used in an emergency. */
  async #databaseLogin(player: Player): Promise<PostgresLogin | { readonly refused: Told }> {
    const grant = this.#grantId()
    if (this.#secret?.grant === grant) return this.#secret.login
    const { target, account } = this.#ports.scene(this.#mustOwn().place)
    const ran = await this.#say(player, ['dsn', target, '--account', account])
    if (ran.status !== 0) return { refused: { status: String(ran.status), text: ran.stderr } }
    const uri = new URL(ran.stdout.trim())
    const login = { user: decodeURIComponent(uri.username), secret: uri.password, database: uri.pathname.slice(1) }
    this.#secret = { grant, login }
    return login
  }

  async #override(who: Player, reason: string): Promise<Outcome> {
    const { target } = this.#ports.scene(this.#mustOwn().place)
    return this.command(who, ['request', target, '--override', '--reason', reason, '--json'])
  }

  async #takeAway(who: Player, how: 'give back' | 'revoke'): Promise<Outcome> {
    const words = how === 'revoke' ? ['revoke', this.#grantId(), '--reason', 'a rehearsal'] : ['end', this.#grantId()]
    this.ends()
    return this.command(who, words)
  }

  /** Judges the grant of the story, every question answered. */
  async #review({ who, verdict, findings }: Extract<Action, { kind: 'review' }>): Promise<Outcome> {
    // A verdict is passed on sealed recordings; a session that has just ended is sealed in moments.
    await sealedSessions(this.#ports, this.#grantId())
    const since = await this.#ledgerSize()
    const read = await this.#say(who, ['review', this.#grantId(), '--json'])
    if (read.status !== 0) return this.#attempted(who, read, since)
    const { questions } = JSON.parse(read.stdout) as { readonly questions: readonly string[] }
    const answers = questions.flatMap((_question, index) => ['--answer', `${index + 1}=yes`])
    const words = ['review', this.#grantId(), '--verdict', verdict, '--findings', findings, ...answers]
    return this.command(who, words)
  }

  async #happen(action: Happening): Promise<Outcome> {
    switch (action.kind) {
      case 'stay-busy':
        return this.#stayBusy(action.client, action.command)
      case 'runs-out':
        return this.#runOut()
      case 'ended':
        assert(this.#overUs !== undefined, 'a story says first what ends its sessions')
        return this.#held.allEnded(this.#ports.clock, this.#overUs, action.withinMs)
      case 'still-running':
        return this.#held.stillRunning()
      case 'alert':
        return alertAccepted(this.#ports, action.alert, action.withinMs, this.#startedAt, await this.#subjects())
      case 'ledger':
        return ledgerSays(this.#ports, action.leaf, this.#startedAt, await this.#subjects())
      case 'recorder-fails':
        return this.#failRecorder()
      case 'sealed':
        return verified(this.#ports, this.#grantId())
      case 'shows':
        return recordingShows(this.#ports, this.#grantId(), action.text)
      case 'tampered':
        return tamperedCopyFound(this.#ports, this.#grantId())
      case 'marked-unannounced': {
        const grant = await this.#ports.state.grant(this.#grantId())
        return grant === undefined || grant.unannouncedAt === null
          ? { kind: 'not-so', detail: 'the grant bears no such mark' }
          : { kind: 'so', detail: 'marked on the grant' }
      }
    }
  }

  async #stayBusy(client: 'ssh' | 'psql', command: string): Promise<Outcome> {
    const { player } = this.#mustOwn()
    const nowUs = (): number => this.#ports.clock.monotonicUs()
    const before = await this.#openSessions()
    let held: Held
    if (client === 'ssh')
      held = await this.#ports.clients.holdSsh(this.#ports.ssh, this.#hostLogin(player), command, nowUs)
    else {
      const login = await this.#databaseLogin(player)
      if ('refused' in login) return { kind: 'not-so', detail: login.refused.text.trim() }
      held = await this.#ports.clients.holdPsql(this.#ports.postgres, login, command, nowUs)
    }
    this.#held.add(held)
    const opened = await awaited(this.#ports.clock, ROW_MS, async () =>
      (await this.#openSessions()).find((id) => !before.includes(id)),
    )
    if (opened === undefined || !held.isOpen()) return { kind: 'not-so', detail: 'the session did not stay open' }
    return { kind: 'so', detail: `session ${opened}`, ...this.#accessFigure() }
  }

  async #openSessions(): Promise<string[]> {
    const sessions = await this.#ports.state.sessions({ grant: this.#grantId(), states: ['open'] })
    return sessions.map(({ id }) => id)
  }

  async #runOut(): Promise<Outcome> {
    const expiresAt = (await this.#ports.state.grant(this.#grantId()))?.expiresAt ?? null
    if (expiresAt === null) return { kind: 'not-so', detail: 'the grant has no end: it is not active' }
    const { clock } = this.#ports
    await this.#ports.until(expiresAt)
    this.#overUs = clock.monotonicUs() - (clock.now() - expiresAt) * 1000
    return { kind: 'so', detail: `its end was ${new Date(expiresAt).toISOString().slice(11, 19)} UTC` }
  }

  async #failRecorder(): Promise<Outcome> {
    const [session] = await this.#openSessions()
    if (session === undefined) return { kind: 'not-so', detail: 'no session is running' }
    this.ends()
    this.#ports.failRecorder(session)
    return { kind: 'so', detail: `session ${session} can no longer be recorded` }
  }

  /** Names and ids by which leaves and alerts of this story are known. */
  async #subjects(): Promise<string[]> {
    if (this.#grant === undefined) return [...this.#acted]
    const sessions = await this.#ports.state.sessions({ grant: this.#grant.id })
    return [this.#grant.id, ...sessions.map(({ id }) => id), ...this.#acted]
  }

  async #attempted(who: Player, ran: SshRan, since: number): Promise<Outcome> {
    if (ran.status === 0) return attempted('done', '')
    const text = [...ran.prompts.slice(1), ran.stderr].join('\n')
    if (ran.status === 75 && /waits for approval/.test(ran.stdout + text)) return attempted('waiting', '')
    if (ran.status === 75 && /"state":"requested"/.test(ran.stdout)) return attempted('waiting', '')
    return this.#refused(who, { status: String(ran.status), text }, since)
  }

  async #refused(who: Player, told: Told, since: number): Promise<Outcome> {
    const name = this.#ports.actor(who).name
    const leaves = await leavesAbout(this.#ports, { index: since }, [name])
    const why = refusalOf(told, leaves)
    // Behind the gate a session has its row before it is refused: to let in, write first. Nothing else may leave one.
    if (why !== 'not announced' && leaves.some(({ type }) => type === 'session-opened'))
      return { kind: 'not-so', detail: 'a session was opened all the same' }
    const detail = `status ${told.status}: ${told.text.trim().split('\n').slice(-2).join(' ').slice(0, 200)}`
    return {
      kind: 'attempted',
      attempted: why === undefined ? { kind: 'unexpected' } : { kind: 'refused', why },
      detail,
    }
  }

  /** What is written from now on has an index no smaller, whatever the wall clock says then. */
  async #ledgerSize(): Promise<number> {
    return (await this.#ports.state.ledgerHead()).size
  }

  #accessFigure(): { readonly figure?: { readonly what: 'access'; readonly ms: number } } {
    const askedUs = this.#askedUs
    this.#askedUs = undefined
    if (askedUs === undefined) return {}
    return { figure: { what: 'access', ms: Math.round((this.#ports.clock.monotonicUs() - askedUs) / 1000) } }
  }

  #mustOwn(): { readonly player: Player; readonly place: Place } {
    if (this.#owner === undefined) throw new HalliganError('usage', 'nobody has broken the glass in this story yet')
    return this.#owner
  }

  #grantId(): string {
    if (this.#grant === undefined) throw new HalliganError('usage', 'there is no grant in this story yet')
    return this.#grant.id
  }
}

type Ran = { readonly kind: 'ran'; readonly text: string } | { readonly kind: 'refused'; readonly told: Told }

function attempted(kind: 'done' | 'waiting', detail: string): Outcome {
  return { kind: 'attempted', attempted: { kind }, detail }
}
