// Whether the ports can be had, or who has them. Who holds a port is told by /proc, where there is one and we may look.

import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fail, ok, type Finding } from './doctor-finding.ts'

/** A listening socket in /proc/net/tcp. */
const LISTEN = '0A'

/** `owner`: the process that holds the state directory, if one does. */
export async function portFinding(
  subject: string,
  { host, port }: { readonly host: string; readonly port: number },
  owner: number | undefined,
): Promise<Finding> {
  if (port === 0) return ok(subject, 'a free one is taken at each start')
  const place = `${host}:${port}`
  const problem = await bindProblem(host, port)
  if (problem === undefined) return ok(subject, `${place} is free`)
  if (problem !== 'EADDRINUSE') return fail(subject, `${place} cannot be listened on: ${problem}`, hints.get(problem))
  const holder = holderOf(port)
  if (owner !== undefined && (holder === undefined || holder.pid === owner))
    return ok(subject, `${place} is taken by the running Halligan (pid ${owner})`)
  if (holder === undefined) return fail(subject, `${place} is taken`, `see who it is: ss -ltnp 'sport = :${port}'`)
  return fail(subject, `${place} is taken by ${holder.name} (pid ${holder.pid})`, 'end it, or choose another port')
}

const hints: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'a port below 1024 needs CAP_NET_BIND_SERVICE'],
  ['EADDRNOTAVAIL', 'no interface of this machine has that address'],
  ['ENOTFOUND', 'the name has no address here'],
])

async function bindProblem(host: string, port: number): Promise<string | undefined> {
  const server = createServer()
  try {
    server.listen(port, host)
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return undefined
  } catch (error) {
    const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined
    return typeof code === 'string' ? code : 'an unknown error'
  }
}

function holderOf(port: number): { readonly pid: number; readonly name: string } | undefined {
  const sockets = new Set(['tcp', 'tcp6'].flatMap((table) => listening(join('/proc/net', table), port)))
  if (sockets.size === 0) return undefined
  const links = new Set([...sockets].map((inode) => `socket:[${inode}]`))
  const pid = entries('/proc').find((name) => /^\d+$/.test(name) && holds(join('/proc', name, 'fd'), links))
  return pid === undefined
    ? undefined
    : { pid: Number(pid), name: text(join('/proc', pid, 'comm')).trim() || 'a process' }
}

function listening(file: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  return text(file)
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', , state]) => state === LISTEN && local.endsWith(`:${wanted}`))
    .map((fields) => fields[9] ?? '')
}

function holds(folder: string, links: ReadonlySet<string>): boolean {
  return entries(folder).some((name) => {
    try {
      return links.has(readlinkSync(join(folder, name)))
    } catch {
      // Closed meanwhile.
      return false
    }
  })
}

/** Empty where we may not look, or there is no such place: then nobody is named. */
function entries(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** The process that `owner.pid` names, while it lives. */
export function livingOwner(file: string): number | undefined {
  const pid = Number.parseInt(text(file), 10)
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined
  try {
    process.kill(pid, 0)
    return pid
  } catch (error) {
    return error instanceof Error && Reflect.get(error, 'code') === 'EPERM' ? pid : undefined
  }
}
