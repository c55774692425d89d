// Source networks of a policy: CIDR, IPv4 and IPv6 (RFC 4632, RFC 4291 §2.3).

import { type Address, formatAddress, isLoopback, parseAddress } from '../identity/address.ts'

export interface Network {
  readonly family: 4 | 6
  /** The first address; host bits are zero. */
  readonly value: bigint
  readonly prefix: number
}

export type NetworkParse =
  | { readonly kind: 'network'; readonly network: Network }
  /** `meant` is the network that holds the address written, where bits right of the prefix are set. */
  | { readonly kind: 'bad'; readonly why: string; readonly meant?: string }

const BITS = { 4: 32, 6: 128 } as const
const MAPPED_PREFIX_BITS = 96
const LOOPBACK_FORMS: readonly Address[] = [
  { family: 4, value: (127n << 24n) | 1n },
  { family: 6, value: 1n },
]

/**
 * Reads `10.0.0.0/8`, `2001:db8::/32` or a single address. An IPv4-mapped network is its IPv4 one. Bits set right of the
 * prefix are refused: whoever wrote them meant another network or another prefix.
 */
export function parseNetwork(text: string): NetworkParse {
  const [base = '', prefixText, ...rest] = text.split('/')
  const address = base.includes('%') ? undefined : parseAddress(base)
  if (address === undefined || rest.length > 0) return { kind: 'bad', why: 'is neither an address nor a network' }
  const isMapped = address.family === 4 && base.includes(':')
  if (prefixText !== undefined && !/^(0|[1-9]\d{0,2})$/.test(prefixText))
    return { kind: 'bad', why: `has the prefix length "${prefixText}"` }
  const bits = BITS[address.family]
  const written = prefixText === undefined ? bits : Number(prefixText) - (isMapped ? MAPPED_PREFIX_BITS : 0)
  if (written < 0 || written > bits) return { kind: 'bad', why: `has the prefix length "${prefixText}"` }
  const value = firstOf(address.value, bits, written)
  if (value !== address.value)
    return {
      kind: 'bad',
      why: 'has bits set right of its prefix',
      meant: `${formatAddress({ family: address.family, value })}/${written}`,
    }
  return { kind: 'network', network: { family: address.family, value, prefix: written } }
}

/**
 * True when `address` lies in one of `networks`. An empty list admits from anywhere; a network or an address that
 * cannot be read admits nobody. The loopback forms are one address.
 */
export function admitsFrom(networks: readonly string[], address: string): boolean {
  if (networks.length === 0) return true
  const parsed = parseAddress(address)
  if (parsed === undefined) return false
  const forms = isLoopback(parsed) ? [parsed, ...LOOPBACK_FORMS] : [parsed]
  return networks.some((text) => {
    const result = parseNetwork(text)
    return result.kind === 'network' && forms.some((form) => contains(result.network, form))
  })
}

/** True when some address lies in both lists; an empty list is everywhere. */
export function networksMeet(left: readonly string[], right: readonly string[]): boolean {
  if (left.length === 0 || right.length === 0) return true
  const networks = (texts: readonly string[]) =>
    texts.map(parseNetwork).flatMap((result) => (result.kind === 'network' ? [result.network] : []))
  return networks(left).some((one) => networks(right).some((other) => meet(one, other)))
}

/** True when every address of `inner` lies in one of `outer`'s networks; an empty `outer` is everywhere. */
export function isWithin(inner: string, outer: readonly string[]): boolean {
  const result = parseNetwork(inner)
  if (result.kind === 'bad') return false
  if (outer.length === 0) return true
  return outer
    .map(parseNetwork)
    .some(
      (other) =>
        other.kind === 'network' &&
        other.network.prefix <= result.network.prefix &&
        contains(other.network, result.network),
    )
}

function contains(network: Network, address: Address): boolean {
  if (network.family !== address.family) return false
  return firstOf(address.value, BITS[network.family], network.prefix) === network.value
}

function meet(one: Network, other: Network): boolean {
  const [wide, narrow] = one.prefix <= other.prefix ? [one, other] : [other, one]
  return contains(wide, narrow)
}

function firstOf(value: bigint, bits: number, prefix: number): bigint {
  const hostBits = BigInt(bits - prefix)
  return (value >> hostBits) << hostBits
}
