// A changed configuration reaches what is open in browsers: whoever may no longer look is shown nothing more.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { buildDirectory } from '../../src/identity/directory.ts'
import type { User } from '../../src/identity/user.ts'
import { readSocket, type SocketReader } from './socket-reader.ts'
import { people, startWorld, type World } from './world.ts'

let world: World

beforeEach(async () => {
  world = await startWorld()
  await world.grant({ id: 'g7f3' })
  await world.open({ id: 'saaaaaaaaaaaa' })
})
afterEach(() => world.close())

const paths = ['/ws/events', '/ws/sessions/saaaaaaaaaaaa/live', '/ws/sessions/saaaaaaaaaaaa/events']

/** Every kind of socket of one person, each past its first message. */
async function watching(cookie: string): Promise<readonly SocketReader[]> {
  const sockets = paths.map((path) => readSocket(world.socket(path, cookie)))
  await Promise.all(sockets.map((socket) => socket.next()))
  return sockets
}

function change(name: string, to: Partial<User> | undefined): void {
  const others = people.filter((person) => person.name !== name)
  const person = people.find((one) => one.name === name)
  world.directory.replace(
    buildDirectory(person === undefined || to === undefined ? others : [...others, { ...person, ...to }]),
  )
}

test('whoever left the configuration is out of the page with every socket, at that moment', async () => {
  const rita = await world.signIn('rita')
  const sockets = await watching(rita)
  change('rita', undefined)
  expect(await Promise.all(sockets.map(async ({ closed }) => (await closed).code))).toEqual([4002, 4002, 4002])
  expect((await world.get('/api/me', rita)).status).toBe(401)
})

test('whoever lost the role no longer sees the session they were watching, and stays signed in', async () => {
  const rita = await world.signIn('rita')
  const [feed, ...sockets] = await watching(rita)
  change('rita', { roles: ['engineer'], groups: [] })
  expect(await Promise.all(sockets.map(async ({ closed }) => (await closed).code))).toEqual([4002, 4002])
  expect((await world.get('/api/me', rita)).status).toBe(200)
  expect((await world.get('/api/sessions/saaaaaaaaaaaa', rita)).status).toBe(404)
  // The feed tells of one's own, whoever one is.
  await world.open({ id: 'sbbbbbbbbbbbb', user: 'rita' })
  expect(JSON.parse(String(await feed?.next()))).toMatchObject({ topic: 'sessions', id: 'sbbbbbbbbbbbb' })
})

test('whoever may still look keeps looking', async () => {
  const alice = await world.signIn('alice')
  const sockets = await watching(alice)
  change('rita', undefined)
  world.record('saaaaaaaaaaaa', 1_000, { kind: 'fact', code: 'n', data: { kind: 'notice', text: 'still here' } })
  await world.end('saaaaaaaaaaaa')
  expect(await Promise.all(sockets.slice(1).map(async ({ closed }) => (await closed).code))).toEqual([4000, 4000])
})
