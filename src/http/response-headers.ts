// Headers that make a hostile recording harmless in a browser: nothing inline, nothing foreign, no frame, no referrer.

/** For the page: its own files only. `wasm-unsafe-eval` compiles the player's terminal; it lets no script be evaluated. */
export const PAGE_POLICY: string = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "font-src 'self'",
  "img-src 'self' data:",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'self'",
].join('; ')

/** For data: opened as a page it is inert. */
export const DATA_POLICY: string = "default-src 'none'; frame-ancestors 'none'; sandbox"

export const commonHeaders: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'x-frame-options': 'DENY',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), clipboard-read=()',
}
