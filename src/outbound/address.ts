// Where Halligan's own requests may go. Whoever can write a URL template, or a DNS record, must not reach what only the
// machine itself can: its metadata service, its link, its loopback. Decided for the address that is dialled, not for the name.

import { lookup, type LookupAddress } from 'node:dns'
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net'
import { HalliganError } from '../errors.ts'

/** `forbidden`: never. `loopback`: this machine. `open`: everything else, private networks included. */
export type Reach = 'forbidden' | 'loopback' | 'open'

/** How a name becomes addresses: Node's `dns.lookup` with `all`. */
export type Resolve = (name: string, done: (error: Error | null, addresses: readonly LookupAddress[]) => void) => void

/** Link-local (RFC 3927, RFC 4291 §2.5.6), multicast, and the metadata services that live elsewhere. */
const forbidden = networks([
  '169.254.0.0/16',
  'fe80::/10',
  // Site-local, deprecated by RFC 3879 and still routed by some.
  'fec0::/10',
  '224.0.0.0/4',
  'ff00::/8',
  '255.255.255.255/32',
  // Metadata: AWS and GCP over IPv6, Alibaba, Oracle, Azure's wire server.
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
  '100.100.100.200/32',
  '192.0.0.192/32',
  '168.63.129.16/32',
])

/** 0.0.0.0 and :: reach this machine as 127.0.0.1 and ::1 do. */
const loopback = networks(['127.0.0.0/8', '::1/128', '0.0.0.0/8', '::/128'])

/** What an address (no brackets) leads to. What is none is forbidden. */
export function reachOf(address: string): Reach {
  const [bare = ''] = address.split('%', 1)
  if (isIP(bare) === 0) return 'forbidden'
  const forms = [bare, ...embeddedIPv4(bare)]
  if (forms.some((form) => isIn(forbidden, form))) return 'forbidden'
  return forms.some((form) => isIn(loopback, form)) ? 'loopback' : 'open'
}

/**
 * A `lookup` for node:net, tls and http that hands over only addresses whose reach is in `allowed`: what was checked is
 * what is dialled, so a name that changes its address between two questions gains nothing. Fails with `unreachable`.
 * node:net does not ask it for a host that is an address: check that with `reachOf`.
 */
export function guardedLookup(allowed: readonly Reach[], resolve: Resolve = systemResolve): LookupFunction {
  return (name, options, done) => {
    resolve(name, (error, addresses) => {
      const found = addresses.filter(({ address }) => allowed.includes(reachOf(address)))
      const wanted = found.filter(({ family }) => !isFamily(options.family) || family === options.family)
      const [first] = wanted
      if (error !== null) done(error, '')
      else if (first === undefined)
        done(refusal(addresses.length > 0 ? 'its address is not allowed' : 'it has no address'), '')
      else if (options.all === true) done(null, [...wanted])
      else done(null, first.address, first.family)
    })
  }
}

function refusal(why: string): HalliganError {
  return new HalliganError('unreachable', `not dialled: ${why}`, {
    hint: 'link-local and metadata addresses are never dialled, this machine only as localhost or by its address',
  })
}

function systemResolve(name: string, done: Parameters<Resolve>[1]): void {
  lookup(name, { all: true }, (error, addresses) => done(error, error === null ? addresses : []))
}

function isFamily(family: unknown): family is 4 | 6 {
  return family === 4 || family === 6
}

function networks(list: readonly string[]): BlockList {
  const blocks = new BlockList()
  for (const network of list) {
    const [address = '', prefix] = network.split('/')
    blocks.addSubnet(address, Number(prefix), familyOf(address))
  }
  return blocks
}

/** BlockList reads IPv4-mapped addresses as their IPv4 form by itself. */
function isIn(blocks: BlockList, address: string): boolean {
  return blocks.check(address, familyOf(address))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4'
}

/**
 * Where a gateway may take an IPv6 address: IPv4-compatible (RFC 4291 §2.5.5.1), SIIT (RFC 6145) and NAT64 (RFC 6052)
 * carry an IPv4 address in their last 32 bits, 6to4 (RFC 3056) in the second and third group.
 */
function embeddedIPv4(address: string): string[] {
  if (!isIPv6(address)) return []
  const groups = groupsOf(address)
  const dotted = (high = 0, low = 0) => [high >> 8, high & 255, low >> 8, low & 255].join('.')
  const head = groups.slice(0, 6).join(',')
  // ::1 and :: are their own: loopback.
  if (head === '0,0,0,0,0,0' && groups[6] === 0 && (groups[7] ?? 0) <= 1) return []
  if (head === '0,0,0,0,0,0' || head === '0,0,0,0,65535,0' || head === '100,65435,0,0,0,0')
    return [dotted(groups[6], groups[7])]
  return groups[0] === 0x2002 ? [dotted(groups[1], groups[2])] : []
}

/** The eight groups, whatever the spelling: WHATWG URLs write IPv6 in one form, in hexadecimal. */
function groupsOf(address: string): number[] {
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = canonical.split('::')
  const numbers = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const front = numbers(head)
  const back = tail === undefined ? [] : numbers(tail)
  return [...front, ...Array.from({ length: 8 - front.length - back.length }, () => 0), ...back]
}
