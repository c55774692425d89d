// The clients that a story's people come with. A drill brings its own, in this process: it must not need programs on the
// bastion's machine. Tests come with the real ones where they are.

import type { Held } from './held-sessions.ts'
import { holdPsql, type PostgresLogin, type PostgresPlace, type PostgresRan, runPsql } from './psql-client.ts'
import { holdSsh, runSsh, type SshLogin, type SshPlace, type SshRan } from './ssh-client.ts'

/** Each `run…` goes to its end; each `hold…` leaves something running, `nowUs` being monotonic time (µs). */
export interface Clients {
  runSsh(place: SshPlace, login: SshLogin, command: string): Promise<SshRan>
  holdSsh(place: SshPlace, login: SshLogin, command: string, nowUs: () => number): Promise<Held>
  runPsql(place: PostgresPlace, login: PostgresLogin, sql: string): Promise<PostgresRan>
  holdPsql(place: PostgresPlace, login: PostgresLogin, sql: string, nowUs: () => number): Promise<Held>
}

/** ssh2 and node-postgres. */
export const ownClients: Clients = { runSsh, holdSsh, runPsql, holdPsql }
