// The few ASN.1 DER forms an X.509 certificate needs, written out (ITU-T X.690). It only writes; node:crypto reads.

/** One DER value: tag octet, length in the shortest form (X.690 §10.1), contents. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents)
  return Buffer.concat([Buffer.from([tag]), lengthOf(body.length), body])
}

function lengthOf(sizeBytes: number): Buffer {
  if (sizeBytes < 0x80) return Buffer.from([sizeBytes])
  const octets: number[] = []
  for (let rest = sizeBytes; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256)
  return Buffer.from([0x80 | octets.length, ...octets])
}

/** SEQUENCE of the given values. */
export function sequence(...values: readonly Uint8Array[]): Buffer {
  return der(0x30, ...values)
}

/** SET of one value: the only size whose order needs no sorting. */
export function setOf(value: Uint8Array): Buffer {
  return der(0x31, value)
}

/** INTEGER from big-endian magnitude octets; never negative. */
export function integer(magnitude: Uint8Array): Buffer {
  let start = 0
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++
  const octets = magnitude.subarray(start)
  const negativeLooking = octets.length === 0 || (octets[0] ?? 0) >= 0x80
  return der(0x02, negativeLooking ? Buffer.concat([Buffer.from([0]), octets]) : octets)
}

/** OBJECT IDENTIFIER from its dotted form, which must have at least two arcs. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return der(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

function base128(arc: number): number[] {
  const octets = [arc % 128]
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) octets.unshift(0x80 | (rest % 128))
  return octets
}

/** UTF8String. */
export function utf8String(text: string): Buffer {
  return der(0x0c, Buffer.from(text, 'utf8'))
}

/** OCTET STRING. */
export function octetString(octets: Uint8Array): Buffer {
  return der(0x04, octets)
}

/** BIT STRING of whole octets, or of octets whose last `unusedBits` bits do not count. */
export function bitString(octets: Uint8Array, unusedBits = 0): Buffer {
  return der(0x03, Buffer.from([unusedBits]), octets)
}

/** BOOLEAN TRUE; DER leaves a FALSE default out. */
export function booleanTrue(): Buffer {
  return der(0x01, Buffer.from([0xff]))
}

/** Time of a certificate to the second: UTCTime up to 2049, GeneralizedTime from 2050 (RFC 5280 §4.1.2.5). */
export function time(atMs: number): Buffer {
  const digits = new Date(atMs).toISOString().replace(/\.\d+/, '').replaceAll(/[-:T]/g, '')
  return Number(digits.slice(0, 4)) < 2050 ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits))
}
