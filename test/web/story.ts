// Sessions as they are recorded, for the page to show: an emergency on web-1, and one on the orders database.

import { riskyMarker } from '../../src/postgres/line-data.ts'
import type { LineBody, Stream } from '../../src/recording/event-line.ts'
import type { World } from '../http/world.ts'

export const ids = {
  shell: 'sshellaaaaaaa',
  sql: 'ssqlaaaaaaaaa',
  liveShell: 'sliveshellaaa',
  liveSql: 'slivesqlaaaaa',
  hostileShell: 'shostileaaaaa',
  hostileSql: 'shostilesqlaa',
} as const

const bytes = (stream: Stream, text: string): LineBody => ({ kind: 'bytes', stream, bytes: Buffer.from(text) })
export const out = (text: string): LineBody => bytes('o', text)
export const typed = (text: string): LineBody => bytes('i', text)
export const fact = (code: 'q' | 'p' | 'd' | 'n' | 'c' | 'f' | 'm' | 'r' | 'x', data: unknown): LineBody => ({
  kind: 'fact',
  code,
  data,
})

/** A session's clock: each step is so many seconds later. */
export class Script {
  readonly #world: World
  readonly #session: string
  #atUs = 0

  constructor(world: World, session: string) {
    this.#world = world
    this.#session = session
  }

  after(seconds: number, ...bodies: LineBody[]): this {
    this.#atUs += Math.round(seconds * 1e6)
    this.#world.record(this.#session, this.#atUs, ...bodies)
    return this
  }

  /** Types a line as a person does, echoed by the terminal unless it is a secret. */
  types(line: string, options: { echo?: boolean } = {}): this {
    for (const char of line) {
      this.after(0.09, typed(char))
      if (options.echo !== false) this.after(0.012, out(char))
    }
    this.after(0.2, typed('\r'))
    return this.after(0.01, out('\r\n'))
  }
}

const green = (text: string) => `\x1b[32m${text}\x1b[0m`
const prompt = '\x1b[1;32mdeploy@web-1\x1b[0m:\x1b[1;34m~\x1b[0m$ '

export function shell(script: Script): void {
  script
    .after(0.01, fact('c', { request: 'pty-req', term: 'xterm-256color', cols: 92, rows: 26 }))
    .after(0.01, fact('c', { request: 'shell' }))
    .after(0.3, out(`Welcome to \x1b[1mweb-1\x1b[0m (production). This session is recorded.\r\n\r\n${prompt}`))
    .after(1.4)
    .types('systemctl status checkout')
    .after(
      0.2,
      out(
        `\x1b[31m●\x1b[0m checkout.service - Checkout API\r\n` +
          `     Loaded: loaded (/etc/systemd/system/checkout.service; enabled)\r\n` +
          `     Active: \x1b[1;31mfailed\x1b[0m (Result: oom-kill) since Sat 2026-11-21 02:51:07 UTC; 9min ago\r\n` +
          `   Main PID: 48211 (code=killed, signal=KILL)\r\n` +
          `     Memory: 4.0G (peak: 4.0G)\r\n\r\n${prompt}`,
      ),
    )
    .after(6)
    .types('journalctl -u checkout -n 4 --no-pager')
    .after(
      0.3,
      out(
        `Nov 21 02:50:58 web-1 checkout[48211]: \x1b[33mWARN\x1b[0m cart cache at 3.9 GiB, limit 4 GiB\r\n` +
          `Nov 21 02:51:02 web-1 checkout[48211]: \x1b[33mWARN\x1b[0m eviction is disabled (CACHE_EVICT=off)\r\n` +
          `Nov 21 02:51:07 web-1 kernel: \x1b[31mOut of memory: Killed process 48211 (node)\x1b[0m\r\n` +
          `Nov 21 02:51:07 web-1 systemd[1]: checkout.service: Failed with result 'oom-kill'.\r\n${prompt}`,
      ),
    )
    .after(24)
    .types('sudo -e /etc/checkout.env')
    .after(0.1, out('[sudo] password for deploy: '))
    .types('correct horse', { echo: false })
    .after(0.8, out(`${green('saved')} /etc/checkout.env\r\n${prompt}`))
  const pasted = 'sudo systemctl restart checkout\ncurl -fsS localhost:8080/healthz'
  script
    .after(4, typed(`\x1b[200~${pasted}\x1b[201~`))
    .after(0.02, out(pasted.replace('\n', '\r\n')))
    .after(0.6, typed('\r'))
    .after(2.2, out(`\r\n{"status":"${green('ok')}","cache":"evicting","uptime":"2s"}\r\n${prompt}`))
    .after(8, fact('n', { kind: 'notice', text: 'grant g7f3 ends in 10 minutes: ssh alice@bastion extend' }))
    .after(3)
    .types('exit')
    .after(0.1, out('logout\r\n'), fact('x', '0'))
}

export function sql(script: Script): void {
  const done = (id: number, tag: string, rows: number, ms: number) => fact('d', { id, index: 0, tag, rows, ms })
  script
    .after(0.4, fact('q', { kind: 'query', id: 1, sql: "SET application_name = 'psql';" }))
    .after(0.001, done(1, 'SET', 0, 0.4))
    .after(
      3.1,
      fact('q', {
        kind: 'query',
        id: 2,
        sql: "SELECT o.id, o.state, o.total, c.email\n  FROM orders o\n  JOIN customers c ON c.id = o.customer_id\n WHERE o.state = 'stuck' AND o.created_at > now() - interval '2 hours'\n ORDER BY o.total DESC\n LIMIT 50;",
      }),
    )
    .after(0.842, done(2, 'SELECT 37', 37, 842))
    .after(9, fact('q', { kind: 'query', id: 3, sql: 'BEGIN;' }))
    .after(0.001, done(3, 'BEGIN', 0, 0.3))
    .after(
      2,
      fact('q', {
        kind: 'parse',
        id: 4,
        name: 's1',
        sql: 'UPDATE orders SET state = $1, touched_by = $2 WHERE id = ANY($3)',
        types: [],
      }),
    )
    .after(
      0.001,
      fact('p', {
        id: 5,
        portal: '',
        statement: 's1',
        values: ['paid', 'INC-42', '{1041,1077,1102}'],
        executed: true,
        maxRows: 0,
      }),
    )
    .after(0.02, done(4, '', 0, 0.2), fact('d', { id: 5, index: 0, tag: 'UPDATE 3', rows: 3, ms: 12.4, statement: 4 }))
    .after(
      4,
      fact('q', {
        kind: 'query',
        id: 6,
        sql: 'DELETE FROM payment_locks WHERE order_id IN (1041, 1077, 1102)  -- stale',
      }),
    )
    .after(
      0.03,
      fact('d', {
        id: 6,
        index: 0,
        tag: null,
        rows: 0,
        ms: 6.1,
        sqlstate: '42501',
        severity: 'ERROR',
        error: 'permission denied for table payment_locks',
      }),
    )
    .after(1, fact('q', { kind: 'query', id: 7, sql: 'ROLLBACK;' }))
    .after(0.001, done(7, 'ROLLBACK', 0, 0.2), fact('d', { rolledBack: { from: 5, to: 5, extent: 'all' } }))
    .after(12, fact('q', { kind: 'query', id: 8, sql: 'BEGIN;' }))
    .after(0.001, done(8, 'BEGIN', 0, 0.2))
    .after(
      1.5,
      fact('p', {
        id: 9,
        portal: '',
        statement: 's1',
        values: ['paid', null, '{1041}'],
        executed: true,
        maxRows: 0,
      }),
    )
    .after(0.02, done(9, 'UPDATE 1', 1, 3.8))
    .after(1.1, fact('q', { kind: 'query', id: 10, sql: 'COMMIT;' }))
    .after(0.004, done(10, 'COMMIT', 0, 2.1))
    .after(
      5,
      fact('q', {
        kind: 'query',
        id: 11,
        sql: "COPY (SELECT * FROM orders WHERE state = 'paid') TO STDOUT WITH (FORMAT csv)",
      }),
    )
    .after(2.3, done(11, 'COPY 18412', 18412, 2311))
}

/** What a session may try against whoever reviews it. */
export const attack = {
  html: '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script><a href="https://evil.example">click</a>',
  link: '\x1b]8;;https://evil.example\x1b\\click me\x1b]8;;\x1b\\',
  title: '\x1b]0;<script>window.pwned=1</script>\x07',
  bidi: 'admin\u202eelif.exe',
}

export function hostileShell(script: Script): void {
  script
    .after(0.1, out(`${attack.html}\r\n${attack.link}${attack.title}\r\n\x1b[6n\x1b[c\x1b]52;c;cHduZWQ=\x07`))
    .after(0.1, out(`\x1b[999999999;999999999H\x1b[1000000000X\x1b#8\x1bP${'q'.repeat(5000)}\x1b\\`))
    .after(0.5, typed(attack.html))
    .after(0.1, typed(`${attack.bidi}\r`), fact('n', { kind: 'notice', text: attack.html }))
    .after(0.1, fact('c', { request: 'exec', command: attack.html }), fact('r', '99999x99999'))
    .after(0.2, { kind: 'bytes', stream: 'o', bytes: Buffer.from([0xff, 0xfe, 0x80, 0x0a]) })
    .after(0.2, fact('x', 'killed'))
}

export function hostileSql(script: Script): void {
  script
    .after(0.1, fact('q', { kind: 'query', id: 1, sql: `SELECT '${attack.html}' -- ${attack.bidi}` }))
    .after(
      0.1,
      fact('d', {
        id: 1,
        index: 0,
        tag: null,
        rows: 0,
        ms: 1,
        sqlstate: attack.html,
        severity: 'ERROR',
        error: attack.html,
      }),
    )
    .after(0.1, fact('q', { kind: 'parse', id: 2, name: attack.html, sql: 'SELECT $1', types: [] }))
    .after(0.1, fact('p', { id: 3, portal: '', statement: attack.html, values: [attack.html, { hex: 'ff' }] }))
    .after(0.1, fact('m', riskyMarker(1, [attack.html])), fact('m', null), fact('m', 'risky statement 99: DROP'))
    .after(0.1, fact('q', null), fact('d', 'nonsense'), fact('q', { kind: 'query' }), fact('q', [1, 2]))
}

/** Everything at once, ready to be looked at. */
export async function tell(world: World): Promise<void> {
  const minutesAgo = (minutes: number) => Date.now() - minutes * 60_000
  const term = { type: 'xterm-256color', cols: 92, rows: 26 }
  const postgres = {
    protocol: 'postgres',
    target: 'orders',
    account: 'app_readwrite',
    database: 'shop',
    mfa: 'grant-secret/SCRAM-SHA-256-PLUS',
  } as const
  const approvals = [{ by: 'bob', at: minutesAgo(12), comment: 'go' }]
  await world.grant({ id: 'g7f3', activatedAt: minutesAgo(18), expiresAt: Date.now() + 12 * 60_000 + 5_000 })
  await world.grant({
    id: 'gk2p',
    target: 'orders',
    account: 'app_readwrite',
    databases: ['shop'],
    reason: 'orders stuck in state “paying” since the 02:51 outage; support has 37 tickets',
    policy: 'production-database-emergency',
    rule: 'production-database-emergency/approval[1]',
    approvals,
    activatedAt: minutesAgo(29),
    expiresAt: Date.now() + 59_000 + 60_000,
  })
  await world.open({ id: ids.shell, openedAt: minutesAgo(61), what: { kind: 'shell', term }, grant: 'g7f3' })
  shell(new Script(world, ids.shell))
  await world.end(ids.shell)
  await world.seal(ids.shell)
  await world.open({
    id: ids.sql,
    openedAt: minutesAgo(42),
    ...postgres,
    grant: 'gk2p',
    what: { kind: 'sql', application: 'psql' },
  })
  sql(new Script(world, ids.sql))
  await world.end(ids.sql, { reason: 'client-closed', message: 'the client closed the connection' })
  await world.seal(ids.sql)
  await world.open({
    id: ids.hostileShell,
    user: 'erin',
    openedAt: minutesAgo(300),
    what: { kind: 'exec', command: attack.html, term: null },
  })
  hostileShell(new Script(world, ids.hostileShell))
  await world.end(ids.hostileShell, { reason: 'killed', code: 'killed', message: `killed by adam: ${attack.html}` })
  await world.seal(ids.hostileShell)
  await world.open({
    id: ids.hostileSql,
    user: 'erin',
    openedAt: minutesAgo(2_000),
    ...postgres,
    what: { kind: 'sql', application: attack.html },
  })
  hostileSql(new Script(world, ids.hostileSql))
  await world.end(ids.hostileSql)
  await world.seal(ids.hostileSql)
  await world.open({
    id: ids.liveSql,
    openedAt: minutesAgo(3),
    ...postgres,
    grant: 'gk2p',
    what: { kind: 'sql', application: 'psql' },
  })
  new Script(world, ids.liveSql)
    .after(2, fact('q', { kind: 'query', id: 1, sql: 'SELECT count(*) FROM orders' }))
    .after(0.03, fact('d', { id: 1, index: 0, tag: 'SELECT 1', rows: 1, ms: 31 }))
  await world.open({ id: ids.liveShell, openedAt: minutesAgo(2), what: { kind: 'shell', term }, grant: 'g7f3' })
  new Script(world, ids.liveShell)
    .after(0.5, out(`Welcome to \x1b[1mweb-1\x1b[0m (production). This session is recorded.\r\n\r\n${prompt}`))
    .types('tail -f /var/log/checkout.log')
    .after(0.1, out('02:59:41 \x1b[32mINFO\x1b[0m  evicted 1,204 carts, cache 2.1 GiB\r\n'))
}
