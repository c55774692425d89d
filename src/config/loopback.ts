// Which hosts are this machine itself, told from the name alone.

import { BlockList, isIPv4, isIPv6 } from 'node:net'

/** True for `localhost` and every loopback address; false for anything that has to be looked up. */
export function isLoopbackHost(text: string): boolean {
  if (text === 'localhost') return true
  const loopback = new BlockList()
  loopback.addSubnet('127.0.0.0', 8, 'ipv4')
  loopback.addAddress('::1', 'ipv6')
  return (isIPv4(text) && loopback.check(text, 'ipv4')) || (isIPv6(text) && loopback.check(text, 'ipv6'))
}
