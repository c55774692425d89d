// The moment of a session that an address asks for: `?t=` in seconds since it opened, as links from a search have it.

/** Seconds; undefined when the address asks for none, or for none that can be. */
export function momentAsked(search: string = location.search): number | undefined {
  const text = new URLSearchParams(search).get('t') ?? ''
  return /^\d{1,9}(\.\d{1,6})?$/.test(text) ? Number(text) : undefined
}
