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

  constructor(
    readonly url: string,
    readonly protocols: string,
  ) {
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

const technicians = {
  type: 'technicians',
  thresholds: { delayed: 60, stale: 300, lost: 1800 },
  technicians: [{ id: 1, name: 'Ada Fox', initials: 'AF', color: '#2563eb' }],
}

function snapshot(): object {
  return { type: 'snapshot', server_time: new Date().toISOString(), items: {} }
}

const changes = { type: 'changes', server_time: new Date(T0).toISOString(), items: {} }

describe('map feed', () => {
  let connections: Connection[]
  /** Of each snapshot, who was on the map with it. */
  let snapshots: number[][]
  let messages: number
  /** The age for `delayed` of what was told while live. */
  let retold: number[]
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
    await opened.say({ type: 'welcome', sid: `sid-${FakeSocket.opened.length}` })
    return opened
  }

  /** As the server answers a subscription. */
  async function confirm(opened: FakeSocket): Promise<void> {
    await opened.say({ type: 'confirm_subscription', identifier: IDENTIFIER })
    await opened.message(technicians)
    await opened.say({ type: 'confirm_history', identifier: IDENTIFIER })
    await opened.message(snapshot())
  }

  async function goLive(): Promise<FakeSocket> {
    const opened = await open()
    await confirm(opened)
    return opened
  }

  /** Pings, as without them the client would reconnect. */
  async function pass(opened: FakeSocket, seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second += 1) {
      await vi.advanceTimersByTimeAsync(1000)
      await opened.say({ type: 'ping', message: second })
    }
  }

  beforeEach(async () => {
    vi.useFakeTimers({ now: T0 })
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    vi.stubGlobal('WebSocket', FakeSocket)
    vi.stubGlobal('window', { location: { href: 'https://acme.localhost:8000/' } })
    FakeSocket.opened = []
    connections = []
    snapshots = []
    messages = 0
    retold = []
    feed = new MapFeed('/cable', new ServerClock(), {
      connection: (next) => connections.push(next),
      thresholds: ({ delayed }) => retold.push(delayed),
      snapshot: ({ technicians: known }) => {
        snapshots.push(known.map(({ id }) => id))
      },
      changes: () => {
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
    expect(opened.protocols).toEqual('actioncable-v1-ext-json')
    expect(opened.sent).toMatchObject([{ command: 'subscribe', identifier: IDENTIFIER }])
    await opened.say({ type: 'confirm_subscription', identifier: IDENTIFIER })
    await opened.message(technicians)
    expect(connections).toEqual([])
    await opened.message(snapshot())
    await opened.message(changes)
    expect(connections).toEqual([{ status: 'live' }])
    expect([snapshots, messages]).toEqual([[[1]], 1])
  })

  test('a later snapshot goes with the technicians that were told first', async () => {
    const opened = await goLive()
    await opened.message(snapshot())
    expect(snapshots).toEqual([[1], [1]])
    expect(connections.at(-1)).toEqual({ status: 'live' })
  })

  test('technicians that are told again come at once, and go with later snapshots', async () => {
    const opened = await goLive()
    expect(retold).toEqual([])
    const others = [{ ...technicians.technicians[0], id: 2 }]
    const thresholds = { delayed: 10, stale: 20, lost: 30 }
    await opened.message({ ...technicians, technicians: others, thresholds })
    expect([retold, snapshots]).toEqual([[10], [[1]]])
    await opened.message(snapshot())
    expect([retold, snapshots]).toEqual([[10], [[1], [2]]])
  })

  test('technicians that are told before the first snapshot wait for it', async () => {
    const first = await goLive()
    first.fire('close')
    await vi.advanceTimersByTimeAsync(900)
    await goLive()
    expect([retold, snapshots]).toEqual([[], [[1], [1]]])
  })

  test('positions of nobody are no map', async () => {
    const reported = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const opened = await open()
    await opened.say({ type: 'confirm_subscription', identifier: IDENTIFIER })
    await opened.message(snapshot())
    await opened.message(changes)
    expect([connections, snapshots, messages]).toEqual([[], [], 0])
    expect(reported).not.toHaveBeenCalled()
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
    expect(connections.at(-1)?.status).toBe('reconnecting')
    await confirm(second)
    expect(second.commands).toEqual(['subscribe'])
    expect(connections.at(-1)).toEqual({ status: 'live' })
    expect(snapshots).toEqual([[1], [1]])
  })

  test('a session that the server takes up again is live with its new snapshot', async () => {
    const first = await goLive()
    first.fire('close')
    await vi.advanceTimersByTimeAsync(900)
    const second = socket()
    expect(second.url).toBe('wss://acme.localhost:8000/cable?sid=sid-1')
    second.readyState = 1
    second.fire('open')
    await second.say({ type: 'welcome', sid: 'sid-2', restored: true, restored_ids: [IDENTIFIER] })
    expect(second.commands).toEqual(['history'])
    expect(connections.at(-1)?.status).toBe('reconnecting')
    await second.message({ ...technicians, technicians: [] })
    await second.say({ type: 'confirm_history', identifier: IDENTIFIER })
    await second.message(snapshot())
    expect(connections.at(-1)).toEqual({ status: 'live' })
    expect(snapshots).toEqual([[1], []])
  })

  test('a cut before the subscription was answered is made up for', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const first = await open()
    first.fire('close')
    await vi.advanceTimersByTimeAsync(2000)
    const second = await open()
    await vi.advanceTimersByTimeAsync(1000)
    expect(second.commands).toEqual(['subscribe'])
    await confirm(second)
    expect(connections.at(-1)).toEqual({ status: 'live' })
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
    await opened.message({ type: 'changes', items: 7 })
    await opened.message(changes)
    expect(reported).toHaveBeenCalledTimes(1)
    expect(messages).toBe(1)
    expect(connections.at(-1)).toEqual({ status: 'live' })
  })

  test('resync subscribes anew for who is unknown, once in 30 s', async () => {
    const opened = await goLive()
    feed.resync([])
    await pass(opened, 1)
    expect(opened.commands).toEqual(['subscribe'])
    feed.resync([7])
    feed.resync([8])
    await pass(opened, 1)
    const twice = ['subscribe', 'unsubscribe', 'subscribe']
    expect(opened.commands).toEqual(twice)
    await confirm(opened)
    expect(snapshots).toEqual([[1], [1]])
    await pass(opened, 30)
    feed.resync([7, 8])
    await pass(opened, 1)
    expect(opened.commands).toEqual([...twice, 'unsubscribe', 'subscribe'])
  })

  test('who is unknown even after a resync is asked for again only after a cut', async () => {
    const opened = await goLive()
    feed.resync([7])
    await pass(opened, 1)
    await confirm(opened)
    await pass(opened, 31)
    feed.resync([7])
    await pass(opened, 1)
    expect(opened.commands).toEqual(['subscribe', 'unsubscribe', 'subscribe'])
    opened.fire('close')
    await vi.advanceTimersByTimeAsync(900)
    const second = await goLive()
    feed.resync([7])
    await pass(second, 1)
    expect(second.commands).toEqual(['subscribe', 'unsubscribe', 'subscribe'])
  })

  test('asks again when a confirmed subscription stays silent', async () => {
    const opened = await open()
    await opened.say({ type: 'confirm_subscription', identifier: IDENTIFIER })
    await pass(opened, 11)
    expect(opened.commands).toEqual(['subscribe', 'unsubscribe', 'subscribe'])
  })

  test('does not give up on a subscription that the server leaves unanswered', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const opened = await open()
    await pass(opened, 12)
    // Asked, repeated by the client after 5 s, given up by it at 10 s, asked anew by us.
    expect(opened.commands).toEqual(['subscribe', 'subscribe', 'subscribe'])
    await confirm(opened)
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
    await confirm(opened)
    expect(connections.at(-1)).toEqual({ status: 'live' })
  })
})
