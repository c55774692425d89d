// The people of one story: made in memory when it begins, let in to this process alone, and gone when it ends. A crash
// takes them with it, for nothing of them is written anywhere.

import type { Clock } from '../clock.ts'
import { assert } from '../errors.ts'
import { type DrillDirectory, DrillUser } from '../identity/drill.ts'
import { newTotpSecret } from '../identity/totp.ts'
import type { UserKey } from '../identity/user.ts'
import { newEd25519Key } from '../sshwire/new-key.ts'
import { parseKeyLine } from '../sshwire/public-key.ts'
import { Actor } from './actor.ts'
import type { DrillFactors } from './factor.ts'
import { partOf, type Scenes } from './scenes.ts'
import { drillPlayers, type Player } from './step.ts'

export interface CastPorts {
  readonly clock: Clock
  readonly directory: DrillDirectory
  readonly factors: DrillFactors
}

/** What each plays, as it stands in their names. */
const roles: Readonly<Record<Player, string>> = {
  alice: 'engineer',
  carol: 'engineer',
  bob: 'approver',
  rita: 'reviewer',
  adam: 'admin',
}

export class Cast {
  readonly #ports: CastPorts
  readonly #users: readonly DrillUser[]
  readonly #actors: ReadonlyMap<Player, Actor>

  private constructor(ports: CastPorts, users: readonly DrillUser[], actors: ReadonlyMap<Player, Actor>) {
    this.#ports = ports
    this.#users = users
    this.#actors = actors
  }

  /** Makes them, as `drill-7f3-2-engineer`, and lets them in. Throws `conflict` when somebody has such a name. */
  static enter(ports: CastPorts, prefix: string, scenes: Scenes): Cast {
    const users: DrillUser[] = []
    const actors = new Map<Player, Actor>()
    const secrets = new Map<string, string>()
    for (const player of drillPlayers) {
      const part = partOf(scenes, player)
      assert(part !== undefined, `${player} has a part in drills`)
      const name = `${prefix}-${roles[player]}`
      const keys = [newEd25519Key(name), newEd25519Key(name)] as const
      const totpSecret = newTotpSecret()
      users.push(
        new DrillUser(
          name,
          part.groups,
          part.roles,
          keys.map(({ publicKey }) => userKey(publicKey)),
        ),
      )
      secrets.set(name, totpSecret)
      actors.set(player, new Actor({ name, keys: [keys[0].privateKey, keys[1].privateKey], totpSecret }, ports.clock))
    }
    ports.directory.enter(users)
    for (const [name, secret] of secrets) ports.factors.enrol(name, secret)
    return new Cast(ports, users, actors)
  }

  actor(player: Player): Actor {
    const actor = this.#actors.get(player)
    assert(actor !== undefined, `${player} takes part in drills`)
    return actor
  }

  /** They are nobody from now on. */
  leave(): void {
    this.#ports.directory.leave(this.#users)
    for (const { name } of this.#users) this.#ports.factors.forget(name)
  }
}

function userKey(line: string): UserKey {
  const { key, blob, fingerprint, comment } = parseKeyLine(line)
  return { fingerprint, type: key.type, blob: blob.toString('base64'), comment }
}
