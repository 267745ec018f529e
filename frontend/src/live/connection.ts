/** The state of the live connection, as the dispatcher should understand it. */

export type Connection =
  | { readonly status: 'connecting' }
  | { readonly status: 'live' }
  /** Trying again; `asOf` is when we last heard from the server (ms, null: never). */
  | { readonly status: 'reconnecting'; readonly asOf: number | null }
  /** The server ended the session; only signing in again helps. */
  | { readonly status: 'signed-out' }
  /** The server refuses the stream to this user, or ended it for good. */
  | { readonly status: 'refused'; readonly reason: string }

export type ConnectionEvent =
  | { readonly type: 'snapshot' }
  | { readonly type: 'lost'; readonly asOf: number | null }
  | { readonly type: 'closed'; readonly reason: string }

const SIGNED_OUT_REASONS = new Set(['unauthorized', 'token_expired', 'session_expired'])

/** Live only from a snapshot on: an open socket alone shows nothing that can be trusted. */
export function nextConnection(current: Connection, event: ConnectionEvent): Connection {
  if (current.status === 'signed-out') return current
  switch (event.type) {
    case 'snapshot':
      return { status: 'live' }
    case 'lost':
      if (current.status === 'refused') return current
      return { status: 'reconnecting', asOf: event.asOf }
    case 'closed':
      return SIGNED_OUT_REASONS.has(event.reason)
        ? { status: 'signed-out' }
        : { status: 'refused', reason: event.reason }
  }
}

const FIRST_RETRY_MS = 900
const MAX_RETRY_MS = 10_000

/**
 * Wait before reconnect attempt `attempt` (0, 1, …). The client's own default has no maximum
 * and can leave a screen blind for hours; the spread keeps a fleet of browsers from returning in
 * one instant after a server restart.
 */
export function reconnectDelay(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** attempt)
  return ceiling * (0.3 + 0.7 * random())
}
