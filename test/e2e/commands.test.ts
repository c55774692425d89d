import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Report } from '../../src/procedure/report.ts'
import { has } from '../support/clients.ts'
import { World } from './world.ts'

// What people type after `ssh alice@bastion`: stdout carries the result alone, status as documented.

describe.runIf(has('ssh', 'psql', 'postgres'))('commands over ssh', () => {
  let world: World

  beforeAll(async () => {
    world = await World.start()
    await world.signIn('alice')
  })

  afterAll(async () => {
    await world?.close()
  })

  async function json(...args: string[]): Promise<unknown> {
    const ran = await world.exec(['alice', ...args, '--json'])
    expect(ran).toMatchObject({ status: 0, stderr: '' })
    return JSON.parse(ran.stdout.toString())
  }

  test('whoami names the person, the key and the address', async () => {
    expect(await json('whoami')).toMatchObject({
      user: 'alice',
      groups: ['oncall'],
      roles: ['engineer'],
      address: '127.0.0.1',
    })
  })

  test('targets says what alice gets at once and what waits for approval', async () => {
    expect(await json('targets')).toMatchObject([
      { target: 'web-1', account: 'deploy', gets: '30m, at once, everyone is told' },
      { target: 'orders', account: 'app_readonly', gets: '30m, at once, everyone is told' },
      { target: 'orders', account: 'app_readwrite', gets: '30m, after 1 approval' },
    ])
  })

  test('help lists the commands, and a wrong one is a usage error', async () => {
    const help = await world.exec(['alice', 'help'])
    expect(help.status).toBe(0)
    for (const name of ['whoami', 'targets', 'request', 'grants', 'end', 'dsn', 'env', 'web'])
      expect(help.stdout.toString()).toContain(name)
    expect(await world.exec(['alice', 'no-such-command'])).toMatchObject({ status: 64 })
    expect(await world.exec(['alice', 'request', 'web-1', '--for', 'ages'])).toMatchObject({ status: 64 })
  })

  test('request asks on stderr for what is missing and reads it from stdin; at its end it says the whole command', async () => {
    const silent = await world.exec(['alice', 'request', 'web-1'])
    expect(silent.status).toBe(77)
    expect(silent.stdout.toString()).toBe('')
    expect(silent.stderr).toContain('hint: give it on the command line: request web-1 --trigger')
    const asked = await world.exec(['alice', 'request', 'web-1'], '1\ncheckout is down\n')
    expect(asked.status).toBe(0)
    expect(asked.stdout.toString()).toMatch(/^grant g\w+: deploy@web-1, ends \d\d:\d\d UTC \(30 min\)\n$/)
    const [grant] = (await json('grants')) as { id: string; trigger: string; reason: string; state: string }[]
    expect(grant).toMatchObject({ trigger: 'customer-impact', reason: 'checkout is down', state: 'active' })
    const ended = await world.exec(['alice', 'end'])
    expect(ended.stdout.toString()).toMatch(new RegExp(`^thank you.*${grant?.id} is given back`))
  })

  test('env works in eval, without a secret on any command line', async () => {
    await world.exec(['alice', 'request', 'orders', '--trigger', 'customer-impact', '--reason', "'orders look wrong'"])
    const config = `${world.state}/ssh_config`
    const shell = world.terminal('/bin/sh', [
      '-c',
      `eval "$(ssh -F ${config} orders env)" && psql -qAtc 'select current_user, count(*) from customers'`,
    ])
    await shell.expect(/app_readonly\|\d+/)
    expect(await shell.exited).toBe(0)
  })

  test('web gives a link that signs in once', async () => {
    const { status, stdout } = await world.exec(['alice', 'web'])
    expect(status).toBe(0)
    expect(stdout.toString()).toMatch(/^http:\/\/localhost:\d+\/#once=[\w-]{22}\n$/)
  })

  test('report counts what alice did, for rita and not for alice; state and ledger agree', async () => {
    const denied = await world.exec(['alice', 'report'])
    expect(denied).toMatchObject({ status: 77 })
    expect(denied.stdout.toString()).toBe('')
    await world.signIn('rita')
    const ran = await world.exec(['rita', 'report', '--json'])
    expect(ran).toMatchObject({ status: 0, stderr: '' })
    const report = JSON.parse(ran.stdout.toString()) as Report
    expect(report).toMatchObject({ cut: [], contradictions: [] })
    const uses = report.sections[0]?.figures.find(({ name }) => name === 'uses')
    expect(uses?.value).toBe(2)
    expect(uses?.evidence.grants).toHaveLength(2)
    expect(uses?.evidence.leaves).toHaveLength(2)
    const csv = await world.exec(['rita', 'report', '--csv'])
    expect(csv.stdout.toString()).toMatch(/^"month","policy","figure"/)
    expect(await world.exec(['rita', 'report', '--month', '2026-13'])).toMatchObject({ status: 64 })
  })
})
