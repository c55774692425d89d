// lock, unlock, reload, status on the machine itself: said to the running Halligan through its socket. With none running,
// lock and unlock write into the state directory.

import type { Command } from 'commander'
import { HalliganError } from '../errors.ts'
import { scopeOf } from '../procedure/lock.ts'

/** Which Halligan is meant. */
export interface Where {
  readonly config: string | undefined
  /** A demo's state directory. */
  readonly state: string | undefined
}

export type LocalRequest =
  | { readonly do: 'lock' | 'unlock'; readonly scope: string; readonly reason: string }
  | { readonly do: 'reload' | 'status' }

/** Does it and gives what to print. */
export type LocalControl = (request: LocalRequest, where: Where) => Promise<string>

interface Options {
  readonly config?: string
  readonly state?: string
  readonly all?: boolean
  readonly reason?: string
}

export function addLocalControlCommands(root: Command, control: LocalControl, write: (text: string) => void): void {
  const add = (name: string, description: string): Command =>
    root
      .command(name)
      .description(description)
      .option('--config <file>', 'configuration file of the halligan that is meant')
      .option('--state <directory>', "a demo's state directory; .halligan/demo when left out")
  const tell = async (request: LocalRequest, { config, state }: Options): Promise<void> => {
    if (config !== undefined && state !== undefined) throw new HalliganError('usage', '--config or --state, not both')
    write(`${await control(request, { config, state })}\n`)
  }
  for (const [name, description] of [
    ['lock', 'take access away at once: from a user, to a target, or from everyone (--all)'],
    ['unlock', 'give access back'],
  ] as const)
    add(name, description)
      .argument('[kind]', 'user or target')
      .argument('[name]', 'whom or what')
      .option('--all', 'everything')
      .requiredOption('--reason <text>', 'why, for the people who are told')
      .action((kind: string | undefined, what: string | undefined, options: Options) => {
        if (options.all === true && kind !== undefined)
          throw new HalliganError('usage', '--all is everything: name nothing else')
        const scope =
          options.all === true ? scopeOf('all', undefined) : scopeOf(kind === 'all' ? '' : (kind ?? ''), what)
        return tell({ do: name, scope, reason: options.reason ?? '' }, options)
      })
  add('reload', 'take up the changed configuration').action((options: Options) => tell({ do: 'reload' }, options))
  add('status', 'what runs').action((options: Options) => tell({ do: 'status' }, options))
}
