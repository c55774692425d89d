import { X509Certificate, createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:tls'
import type { AddressInfo } from 'node:net'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { selfSigned } from '../../src/pgwire/certificate.ts'

const now = Date.UTC(2026, 10, 21, 3, 0, 0)
const request = { commonName: 'halligan', altNames: ['127.0.0.1', 'localhost'], now, validDays: 30 }

test('the server certificate is signed by the CA and valid for its names, dates and use', () => {
  const made = selfSigned(request)
  const cert = new X509Certificate(made.cert)
  const ca = new X509Certificate(made.ca)
  expect(cert.verify(ca.publicKey)).toBe(true)
  expect(ca.verify(ca.publicKey)).toBe(true)
  expect(cert.checkIssued(ca)).toBe(true)
  expect(ca.ca).toBe(true)
  expect(cert.ca).toBe(false)
  expect(cert.checkPrivateKey(createPrivateKey(made.key))).toBe(true)
  expect(cert.checkIP('127.0.0.1')).toBe('127.0.0.1')
  expect(cert.checkHost('localhost')).toBe('localhost')
  expect(cert.checkHost('example.org')).toBe(undefined)
  expect(cert.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
  expect(cert.validFromDate.getTime()).toBe(now - 86_400_000)
  expect(cert.validToDate.getTime()).toBe(now + 30 * 86_400_000)
})

test('dates from 2050 on are written in the form RFC 5280 asks for', () => {
  const made = selfSigned({ ...request, now: Date.UTC(2049, 11, 31, 23, 59, 59) })
  expect(new X509Certificate(made.cert).validToDate.getTime()).toBe(Date.UTC(2050, 0, 30, 23, 59, 59))
})

test('each call makes another CA, another key and another serial number', () => {
  const [one, two] = [selfSigned(request), selfSigned(request)]
  expect(one.ca).not.toBe(two.ca)
  expect(one.key).not.toBe(two.key)
  expect(new X509Certificate(one.cert).serialNumber).not.toBe(new X509Certificate(two.cert).serialNumber)
})

test('a client that trusts the CA verifies the server by address and by name, and one that does not refuses', async () => {
  const { cert, key, ca } = selfSigned({ ...request, now: Date.now() })
  const server = createServer({ cert, key }, (socket) => {
    socket.on('error', () => socket.destroy())
    socket.end('ok')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    for (const servername of ['localhost', '']) {
      const socket = connect({ host: '127.0.0.1', port, ca, servername })
      await once(socket, 'secureConnect')
      expect(socket.authorized).toBe(true)
      socket.destroy()
    }
    const stranger = connect({ host: '127.0.0.1', port, ca: selfSigned(request).ca })
    const [error] = (await once(stranger, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toMatch(/SIGNATURE|SELF_SIGNED|UNABLE_TO/)
  } finally {
    server.close()
  }
})

test('any IP address and any plain DNS name ends up in the certificate as it is', () => {
  const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/)
  fc.assert(
    fc.property(fc.ipV4(), fc.ipV6(), fc.array(label, { minLength: 2, maxLength: 4 }), (v4, v6, labels) => {
      const dns = `${labels.join('.')}.example`
      const cert = new X509Certificate(selfSigned({ ...request, altNames: [v4, v6, dns] }).cert)
      expect(cert.checkIP(v4)).toBe(v4)
      expect(cert.checkIP(v6)).toBe(v6)
      expect(cert.checkHost(dns)).toBe(dns)
    }),
    { numRuns: 40 },
  )
})

test.each([
  { name: 'an empty common name', change: { commonName: '' } },
  { name: 'a common name beyond the bound', change: { commonName: 'x'.repeat(62) } },
  { name: 'an alternative name with a NUL', change: { altNames: ['good.example\0.evil.example'] } },
  { name: 'an alternative name that is not ASCII', change: { altNames: ['münchen.example'] } },
  { name: 'an address with a zone', change: { altNames: ['fe80::1%eth0'] } },
  { name: 'an empty alternative name', change: { altNames: [''] } },
])('$name is refused', ({ change }) => {
  expect(() => selfSigned({ ...request, ...change })).toThrow(expect.objectContaining({ code: 'config_invalid' }))
})
