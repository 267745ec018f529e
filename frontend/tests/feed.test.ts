import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ServerClock } from '../src/live/clock'
import type { Connection } from '../src/live/connection'
import { MapFeed } from '../src/live/feed'

const T0 = Date.parse('2026-11-22T10:00:00.000Z')
const IDENTIFIER = JSON.stringify({ channel: 'MapChannel' })

/** The server's end of a socket that the stock client opened. */
class FakeSocket {
  static opened: FakeSocket[] = []
  readonly sent: Record<string, unknown>[] = []
  readonly listeners = new Map<string, (event: unknown) => void>()
  onopen?: () => void
  onclose?: (event: unknown) => void
  onerror?: (event: unknown) => void
  onmessage?: (event: unknown) => void
  binaryType = 'blob'
  readyState = 0

  constructor(readonly url: string) {
    FakeSocket.opened.push(this)
  }

  addEventListener(name: string, listener: (event: unknown) => void): void {
    this.listeners.set(name, listener)
  }

  removeEventListener(name: string): void {
    this.listeners.delete(name)
  }

  send(data: string): void {
    this.sent.push(JSON.parse(data))
  }

  close(): void {
    this.readyState = 3
  }

  fire(name: 'open' | 'close' | 'message', event: unknown = {}): void {
    this[`on${name}`]?.(event)
    this.listeners.get(name)?.(event)
  }

  async say(frame: object): Promise<void> {
    this.fire('message', { data: JSON.stringify(frame) })
    await vi.advanceTimersByTimeAsync(0)
  }

  message(message: unknown): Promise<void> {
    return this.say({ identifier: IDENTIFIER, message })
  }

  get commands(): unknown[] {
    return this.sent.map(({ command }) => command)
  }
}

function snapshot(): object {
  return {
    type: 'snapshot',
    server_time: new Date().toISOString(),
    thresholds: { delayed: 60, stale: 300, lost: 1800 },
    technicians: [],
  }
}

const positions = { type: 'positions', server_time: new Date(T0).toISOString(), positions: [] }

describe('map feed', () => {
  let connections: Connection[]
  let snapshots: number
  let messages: number
  let feed: MapFeed

  /** The newest socket. */
  function socket(): FakeSocket {
    const last = FakeSocket.opened.at(-1)
    if (!last) throw new Error('no socket was opened')
    return last
  }

  async function open(): Promise<FakeSocket> {
    const opened = socket()
    opened.readyState = 1
    opened.fire('open')
    await vi.advanceTimersByTimeAsync(0)
    await opened.say({ type: 'welcome' })
    return opened
  }

  async function goLive(): Promise<FakeSocket> {
    const opened = await open()
    await opened.say({ type: 'confirm_subscription', identifier: IDENTIFIER })
    await opened.message(snapshot())
    return opened
  }

  beforeEach(async () => {
    vi.useFakeTimers({ now: T0 })
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    vi.stubGlobal('WebSocket', FakeSocket)
    vi.stubGlobal('window', { location: { href: 'https://acme.localhost:8000/' } })
    FakeSocket.opened = []
    connections = []
    snapshots = 0
    messages = 0
    feed = new MapFeed('/cable', new ServerClock(), {
      connection: (next) => connections.push(next),
      snapshot: () => {
        snapshots += 1
      },
      positions: () => {
        messages += 1
      },
    })
    await vi.advanceTimersByTimeAsync(0)
  })

  afterEach(() => {
    feed.stop()
    vi.useRealTimers()
    vi.unstubAllGlobals()
    vi.restoreAllMocks()
  })

  test('subscribes over wss on the page’s host and is live with the snapshot', async () => {
    expect(socket().url).toBe('wss://acme.localhost:8000/cable')
    const opened = await open()
    expect(opened.sent).toEqual([{ command: 'subscribe', identifier: IDENTIFIER }])
    await opened.say({ type: 'confirm_subscription', identifier: IDENTIFIER })
    expect(connections).toEqual([])
    await opened.message(snapshot())
    await opened.message(positions)
    expect(connections).toEqual([{ status: 'live' }])
    expect([snapshots, messages]).toEqual([1, 1])
  })

  test('after a cut it returns within a second and is live with a new snapshot', async () => {
    const first = await goLive()
    await vi.advanceTimersByTimeAsync(2000)
    await first.say({ type: 'ping', message: 1 })
    await vi.advanceTimersByTimeAsync(1000)
    first.fire('close')
    await vi.advanceTimersByTimeAsync(0)
    expect(connections.at(-1)).toEqual({ status: 'reconnecting', asOf: T0 + 2000 })
    await vi.advanceTimersByTimeAsync(900)
    expect(FakeSocket.opened).toHaveLength(2)
    const second = await open()
    await second.say({ type: 'confirm_subscription', identifier: IDENTIFIER })
    expect(connections.at(-1)?.status).toBe('reconnecting')
    await second.message(snapshot())
    expect(connections.at(-1)).toEqual({ status: 'live' })
    expect(snapshots).toBe(2)
  })

  test('a server that stays away is tried at most 10 s apart', async () => {
    const first = await goLive()
    first.fire('close')
    for (let attempt = 0; attempt < 12; attempt += 1) {
      const before = FakeSocket.opened.length
      await vi.advanceTimersByTimeAsync(10_000)
      expect(FakeSocket.opened.length).toBeGreaterThan(before)
      socket().fire('close')
      await vi.advanceTimersByTimeAsync(0)
    }
  })

  test('unauthorized means signed out, and nothing is tried again', async () => {
    const first = await goLive()
    await first.say({ type: 'disconnect', reason: 'unauthorized', reconnect: false })
    expect(connections.at(-1)).toEqual({ status: 'signed-out' })
    await vi.advanceTimersByTimeAsync(600_000)
    expect(FakeSocket.opened).toHaveLength(1)
  })

  test('a malformed message is reported and skipped', async () => {
    const reported = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const opened = await goLive()
    await opened.message({ type: 'positions', positions: 7 })
    await opened.message(positions)
    expect(reported).toHaveBeenCalledTimes(1)
    expect(messages).toBe(1)
    expect(connections.at(-1)).toEqual({ status: 'live' })
  })

  test('resync subscribes anew for a fresh snapshot, once in 30 s', async () => {
    const opened = await goLive()
    feed.resync()
    feed.resync()
    await vi.advanceTimersByTimeAsync(1000)
    expect(opened.commands).toEqual(['subscribe', 'unsubscribe', 'subscribe'])
    await opened.say({ type: 'confirm_subscription', identifier: IDENTIFIER })
    await opened.message(snapshot())
    expect(snapshots).toBe(2)
  })

  test('asks again when a confirmed subscription stays silent', async () => {
    const opened = await open()
    await opened.say({ type: 'confirm_subscription', identifier: IDENTIFIER })
    for (let second = 0; second < 11; second += 1) {
      await vi.advanceTimersByTimeAsync(1000)
      await opened.say({ type: 'ping', message: second })
    }
    expect(opened.commands).toEqual(['subscribe', 'unsubscribe', 'subscribe'])
  })

  test('does not give up on a subscription that the server leaves unanswered', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const opened = await open()
    for (let second = 0; second < 12; second += 1) {
      await vi.advanceTimersByTimeAsync(1000)
      await opened.say({ type: 'ping', message: second })
    }
    // Asked, repeated by the client after 5 s, given up by it at 10 s, asked anew by us.
    expect(opened.commands).toEqual(['subscribe', 'subscribe', 'subscribe'])
    await opened.say({ type: 'confirm_subscription', identifier: IDENTIFIER })
    await opened.message(snapshot())
    expect(connections.at(-1)).toEqual({ status: 'live' })
  })

  test('a rejected subscription is a refusal, until it is tried again', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const opened = await open()
    await opened.say({ type: 'reject_subscription', identifier: IDENTIFIER })
    expect(connections.at(-1)).toEqual({ status: 'refused', reason: 'rejected' })
    feed.retryNow()
    await vi.advanceTimersByTimeAsync(0)
    expect(opened.commands).toEqual(['subscribe', 'subscribe'])
    await opened.say({ type: 'confirm_subscription', identifier: IDENTIFIER })
    await opened.message(snapshot())
    expect(connections.at(-1)).toEqual({ status: 'live' })
  })
})
