import { X509Certificate } from 'node:crypto'
import { expect, test } from 'vitest'
import { ProtocolViolation } from '../../src/errors.ts'
import { ScramClient } from '../../src/pgwire/scram-client.ts'
import { ScramServer } from '../../src/pgwire/scram-server.ts'
import { deriveScramKeys, formatScramVerifier, sha256, tlsServerEndPoint } from '../../src/pgwire/scram.ts'
import { selfSigned } from '../../src/pgwire/certificate.ts'

const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
const binding = sha256(Buffer.from('certificate'))
const options = { salt, iterations: 4096, binding: undefined }

test('RFC 7677 §3, the published exchange', async () => {
  const server = new ScramServer({ ...options, nonce: () => '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0' })
  const first = server.first('SCRAM-SHA-256', Buffer.from('n,,n=user,r=rOprNGfwEbeRWgbNEkqO'))
  expect(first.toString()).toBe(
    'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  )
  const final =
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ='
  const proof = server.final(Buffer.from(final), [await deriveScramKeys('pencil', salt, 4096)])
  expect(proof.kind === 'proven' && proof.serverFinal.toString()).toBe('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
})

async function exchange(setup: {
  secrets: readonly string[]
  typed: string
  server?: { binding?: Buffer; requireBinding?: boolean }
  client?: Buffer | undefined
}) {
  const keys = await Promise.all(
    setup.secrets.map(async (secret) => ({ secret, ...(await deriveScramKeys(secret, salt, 4096)) })),
  )
  const server = new ScramServer({ ...options, ...setup.server })
  const client = new ScramClient({ password: setup.typed, binding: setup.client })
  const initial = client.initial(server.mechanisms())
  if (initial === undefined) return { kind: 'no mechanism' } as const
  const final = await client.final(server.first(initial.mechanism, initial.data))
  const proof = server.final(final, keys)
  if (proof.kind === 'proven') client.verify(proof.serverFinal)
  return proof
}

test('the proof is tried against each secret of one salt', async () => {
  for (const typed of ['one', 'two', 'three']) {
    const proof = await exchange({ secrets: ['one', 'two', 'three'], typed })
    expect(proof).toMatchObject({ kind: 'proven', keys: { secret: typed }, mechanism: 'SCRAM-SHA-256' })
  }
})

test('a wrong secret and no secret at all end alike, after the same exchange', async () => {
  expect(await exchange({ secrets: ['one'], typed: 'two' })).toEqual({ kind: 'refused' })
  expect(await exchange({ secrets: [], typed: 'two' })).toEqual({ kind: 'refused' })
})

test('PLUS is chosen where both ends can bind, and ends where the certificates differ', async () => {
  const both = { secrets: ['s'], typed: 's', server: { binding } }
  expect(await exchange({ ...both, client: binding })).toMatchObject({
    kind: 'proven',
    mechanism: 'SCRAM-SHA-256-PLUS',
  })
  expect(await exchange({ ...both, client: sha256(Buffer.from('another')) })).toEqual({ kind: 'refused' })
  expect(await exchange({ ...both, client: undefined })).toMatchObject({ kind: 'proven', mechanism: 'SCRAM-SHA-256' })
  expect(await exchange({ ...both, server: { binding, requireBinding: true } })).toEqual({ kind: 'no mechanism' })
})

test('passwords beyond ASCII are prepared as the server prepares them', async () => {
  const same = async (a: string, b: string) =>
    (await deriveScramKeys(a, salt, 4096)).storedKey.equals((await deriveScramKeys(b, salt, 4096)).storedKey)
  expect(await same('I\u00adX', 'IX')).toBe(true)
  expect(await same('\u2168', 'IX')).toBe(true)
  expect(await same('a\u00a0b', 'a b')).toBe(true)
  expect(await same('\u00aa', 'A')).toBe(false)
})

const first = 'n,,n=,r=abc'
const refusedFirst = [
  { name: 'a mechanism not offered', mechanism: 'SCRAM-SHA-1', data: first },
  { name: 'PLUS without TLS', mechanism: 'SCRAM-SHA-256-PLUS', data: 'p=tls-server-end-point,,n=,r=abc' },
  { name: 'binding flag without PLUS', mechanism: 'SCRAM-SHA-256', data: 'p=tls-server-end-point,,n=,r=abc' },
  { name: 'an authorization identity', mechanism: 'SCRAM-SHA-256', data: 'n,a=root,n=,r=abc' },
  { name: 'a mandatory extension', mechanism: 'SCRAM-SHA-256', data: 'n,,m=x,n=,r=abc' },
  { name: 'no nonce', mechanism: 'SCRAM-SHA-256', data: 'n,,n=,r=' },
  { name: 'a nonce of 600 characters', mechanism: 'SCRAM-SHA-256', data: `n,,n=,r=${'a'.repeat(600)}` },
  { name: 'garbage', mechanism: 'SCRAM-SHA-256', data: '\0\0' },
]
for (const { name, mechanism, data } of refusedFirst)
  test(`client-first with ${name}: violation`, () => {
    expect(() => new ScramServer(options).first(mechanism, Buffer.from(data))).toThrow(ProtocolViolation)
  })

test('`y` where PLUS was offered, or another binding with PLUS: violation', () => {
  const server = () => new ScramServer({ ...options, binding })
  expect(() => server().first('SCRAM-SHA-256', Buffer.from('y,,n=,r=abc'))).toThrow(ProtocolViolation)
  expect(() => server().first('SCRAM-SHA-256-PLUS', Buffer.from('p=tls-unique,,n=,r=abc'))).toThrow(ProtocolViolation)
  expect(() => server().first('SCRAM-SHA-256-PLUS', Buffer.from(first))).toThrow(ProtocolViolation)
})

test('client-final: malformed proofs are violations, a foreign nonce is refused, nothing works twice', async () => {
  const keys = [await deriveScramKeys('s', salt, 4096)]
  const at = () => {
    const server = new ScramServer(options)
    server.first('SCRAM-SHA-256', Buffer.from(first))
    return server
  }
  for (const data of ['', 'c=biws', `c=biws,r=abc,p=${'A'.repeat(44)}`, 'c=biws,r=abc,p=AAAA', 'p=AAAA'])
    expect(() => at().final(Buffer.from(data), keys)).toThrow(ProtocolViolation)
  const zeros = Buffer.alloc(32).toString('base64')
  expect(at().final(Buffer.from(`c=biws,r=foreign,p=${zeros}`), keys)).toEqual({ kind: 'refused' })
  const used = at()
  used.final(Buffer.from(`c=biws,r=x,p=${zeros}`), keys)
  expect(() => used.final(Buffer.from(`c=biws,r=x,p=${zeros}`), keys)).toThrow(ProtocolViolation)
  expect(() => new ScramServer(options).final(Buffer.from(`c=biws,r=x,p=${zeros}`), keys)).toThrow(ProtocolViolation)
})

test('the client refuses a server that is not the one', async () => {
  const begin = () => {
    const client = new ScramClient({ password: 's', binding: undefined })
    const nonce = client.initial(['SCRAM-SHA-256'])?.data.toString().split('r=')[1] ?? ''
    return { client, nonce }
  }
  const answers = [
    (nonce: string) => `r=${nonce},s=AAAA,i=4096`,
    () => 'r=other,s=AAAA,i=4096',
    (nonce: string) => `r=${nonce}x,s=AAAA,i=1`,
    (nonce: string) => `r=${nonce}x,s=AAAA,i=99999999`,
    (nonce: string) => `r=${nonce}x,s=!,i=4096`,
    () => 'e=other-error',
    () => '',
  ]
  for (const answer of answers) {
    const { client, nonce } = begin()
    await expect(client.final(Buffer.from(answer(nonce)))).rejects.toThrow(ProtocolViolation)
  }
  const { client, nonce } = begin()
  await client.final(Buffer.from(`r=${nonce}x,s=AAAA,i=4096`))
  for (const final of ['v=AAAA', `v=${Buffer.alloc(32).toString('base64')}`, 'e=invalid-proof', ''])
    expect(() => client.verify(Buffer.from(final))).toThrow(ProtocolViolation)
  expect(new ScramClient({ password: 's', binding }).initial(['md5'])).toBeUndefined()
})

test('tls-server-end-point of an ECDSA P-256 certificate is its SHA-256', () => {
  const { cert } = selfSigned({
    commonName: 'bastion',
    altNames: ['localhost'],
    now: 1_700_000_000_000,
    validDays: 3,
  })
  const parsed = new X509Certificate(cert)
  expect(tlsServerEndPoint(parsed)?.toString('hex')).toBe(parsed.fingerprint256.replaceAll(':', '').toLowerCase())
})

test('the verifier is what PostgreSQL stores', async () => {
  const verifier = formatScramVerifier(await deriveScramKeys('pencil', salt, 4096), salt, 4096)
  expect(verifier).toMatch(/^SCRAM-SHA-256\$4096:W22ZaJ0SNY7soEsUEjb6gQ==\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$/)
})
