// Every bound of the web side with its reason.

/** The largest body any route takes is a reason of 500 characters. */
export const BODY_LIMIT_BYTES = 16 * 1024

/** Nothing a browser sends over a websocket here is longer than a control frame. */
export const SOCKET_PAYLOAD_BYTES = 4 * 1024

/** Open websockets of one browser session: a wall of a dozen tiles with two each, and room for other tabs. */
export const SOCKETS_PER_SESSION = 48

/** Bytes one socket may have waiting for its browser before it counts as slow. */
export const SOCKET_HIGH_WATER_BYTES = 1 << 20

/** How long a slow browser may take to catch up before its socket is closed: a tunnel, not a dead phone. */
export const SLOW_CONSUMER_MS = 15_000

/** Ping interval: below the idle timeouts of usual proxies (60 s), and how soon a lost session closes its sockets. */
export const PING_MS = 20_000

/** Live events held for one tail while it reads the backlog or waits for its browser; beyond, it reads them again. */
export const TAIL_QUEUE_EVENTS = 2_048
export const TAIL_QUEUE_BYTES = 4 << 20

/** Requests of one person that are being answered at once: a browser has six connections, and some tabs share them. */
export const REQUESTS_PER_USER = 32

/** Rows of one page of the session list. */
export const PAGE_ROWS = 50
export const PAGE_ROWS_MAX = 200

/** TCP connections at once: people times tabs, far above a reviewers' room, far below the process's descriptors. */
export const CONNECTIONS_MAX = 1_024

/** Time for a whole request head and body: they are tiny. */
export const REQUEST_MS = 15_000
