// Addresses of clients as everything else sees them: one spelling per peer, so that what is remembered for an address
// or counted against it cannot be dodged by writing it another way.

import { isIPv4, isIPv6 } from 'node:net'

/** An address as a number: 32 bits for family 4, 128 for family 6. IPv4-mapped IPv6 is family 4. */
export interface Address {
  readonly family: 4 | 6
  readonly value: bigint
}

/** RFC 4291 §2.5.5.2: `::ffff:0:0/96` carries an IPv4 address. */
const MAPPED_PREFIX = 0xffffn
const IPV4_MASK = 0xffffffffn

/** The one spelling of every loopback form. */
export const LOOPBACK = '127.0.0.1'

/** Reads an address in any textual form of RFC 4291 §2.2, a zone (`%eth0`) dropped. Undefined: it is none. */
export function parseAddress(text: string): Address | undefined {
  const [bare = ''] = text.split('%', 1)
  if (isIPv4(bare)) return { family: 4, value: ipv4Value(bare) }
  if (!isIPv6(bare)) return undefined
  const value = ipv6Value(bare)
  return value >> 32n === MAPPED_PREFIX ? { family: 4, value: value & IPV4_MASK } : { family: 6, value }
}

/** True for 127.0.0.0/8 and ::1. */
export function isLoopback(address: Address): boolean {
  return address.family === 4 ? address.value >> 24n === 127n : address.value === 1n
}

/**
 * The one spelling of an address: IPv4-mapped reduced to IPv4, loopback forms to `127.0.0.1`, IPv6 as RFC 5952 writes
 * it. What is not an address comes back as it is: it then equals nothing but itself.
 */
export function normalizeAddress(text: string): string {
  const address = parseAddress(text)
  if (address === undefined) return text
  return isLoopback(address) ? LOOPBACK : formatAddress(address)
}

/**
 * What failures are counted against: an IPv4 address, or the /64 of an IPv6 address, since one subscriber has that many
 * to choose from.
 */
export function addressBlock(text: string): string {
  const address = parseAddress(text)
  if (address === undefined || address.family === 4 || isLoopback(address)) return normalizeAddress(text)
  return `${formatAddress({ family: 6, value: (address.value >> 64n) << 64n })}/64`
}

/** Dotted decimal, or RFC 5952 §4: lower case, no leading zeros, the longest run of zero groups as `::`. */
export function formatAddress(address: Address): string {
  if (address.family === 4) return [24n, 16n, 8n, 0n].map((shift) => (address.value >> shift) & 0xffn).join('.')
  const groups = Array.from({ length: 8 }, (_, index) =>
    Number((address.value >> BigInt(16 * (7 - index))) & 0xffffn).toString(16),
  )
  const run = longestZeroRun(groups)
  if (run === undefined) return groups.join(':')
  return `${groups.slice(0, run.start).join(':')}::${groups.slice(run.start + run.length).join(':')}`
}

function longestZeroRun(groups: readonly string[]): { start: number; length: number } | undefined {
  let best: { start: number; length: number } | undefined
  for (let start = 0; start < groups.length; start++) {
    let length = 0
    while (groups[start + length] === '0') length++
    // RFC 5952 §4.2.2: a single zero group is written out; §4.2.3: of equal runs the first.
    if (length > 1 && length > (best?.length ?? 0)) best = { start, length }
  }
  return best
}

function ipv4Value(text: string): bigint {
  return text.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n)
}

function ipv6Value(text: string): bigint {
  const [head = '', tail] = text.split('::')
  const front = groupsOf(head)
  const back = tail === undefined ? [] : groupsOf(tail)
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => 0n)
  return [...front, ...zeros, ...back].reduce((value, group) => (value << 16n) | group, 0n)
}

function groupsOf(text: string): bigint[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [BigInt(`0x${group}`)]
    const value = ipv4Value(group)
    return [value >> 16n, value & 0xffffn]
  })
}
