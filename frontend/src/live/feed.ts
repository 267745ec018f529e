import { type Cable, Channel, createCable } from '@anycable/web'
import type { ServerClock } from './clock'
import { type Connection, nextConnection, reconnectDelay } from './connection'
import { parseMapMessage } from './messages'
import type { Changes, Snapshot, Technicians, Thresholds } from './types'

/** A confirmed subscription that stays silent for this long is asked for again. */
const SNAPSHOT_DEADLINE_MS = 10_000
/** The technicians are asked for anew at most this often, whatever the stream contains. */
const RESYNC_INTERVAL_MS = 30_000

class MapChannel extends Channel {
  static override readonly identifier = 'MapChannel'
}

export interface FeedEvents {
  connection(connection: Connection): void
  /** While the map is live: the company changed the ages at which positions grow old. */
  thresholds(thresholds: Thresholds): void
  snapshot(technicians: Technicians, snapshot: Snapshot): void
  changes(changes: Changes): void
}

/** The map stream: the stock AnyCable client, its messages checked, its state made plain. */
export class MapFeed {
  #connection: Connection = { status: 'connecting' }
  #cable: Cable
  #channel: Channel | null = null
  #technicians: Technicians | null = null
  #lastHeard: number | null = null
  #lastResync = Number.NEGATIVE_INFINITY
  readonly #askedFor = new Set<number>()
  #deadline: ReturnType<typeof setTimeout> | undefined
  #retry: ReturnType<typeof setTimeout> | undefined

  constructor(
    url: string,
    private readonly clock: ServerClock,
    private readonly events: FeedEvents,
  ) {
    const absolute = new URL(url, window.location.href)
    absolute.protocol = absolute.protocol.replace('http', 'ws')
    this.#cable = createCable(absolute.href, {
      // A short cut is taken up again by the server, without a new sign-in and subscription.
      protocol: 'actioncable-v1-ext-json',
      reconnectStrategy: reconnectDelay,
      logLevel: 'error',
    })
    // Every ping says that the stream is whole up to now, also when nobody moves.
    this.#cable.on('keepalive', () => {
      this.#lastHeard = this.clock.now()
    })
    this.#cable.on('disconnect', () => {
      this.#askedFor.clear()
      this.#move({ type: 'lost', asOf: this.#lastHeard })
    })
    this.#cable.on('close', (error) => {
      this.#move({ type: 'closed', reason: error?.reason ?? 'closed' })
    })
    this.#subscribe()
  }

  get connection(): Connection {
    return this.#connection
  }

  /** Tries to reconnect at once instead of waiting for the next attempt. */
  retryNow(): void {
    if (this.#cable.state === 'closed') this.#cable.connect().catch(() => undefined)
    else this.#cable.monitor?.reconnectNow()
    if (this.#channel === null) this.#subscribeIn(0)
  }

  stop(): void {
    clearTimeout(this.#deadline)
    clearTimeout(this.#retry)
    this.#channel?.disconnect()
    this.#cable.disconnect()
  }

  #subscribe(): void {
    const channel = new MapChannel()
    this.#channel = channel
    channel.on('connect', () => {
      clearTimeout(this.#deadline)
      this.#deadline = setTimeout(() => this.#resubscribe(), SNAPSHOT_DEADLINE_MS)
    })
    channel.on('message', (message) => {
      if (channel === this.#channel) this.#receive(message)
    })
    channel.on('close', (error) => {
      if (channel !== this.#channel || this.#cable.state === 'closed') return
      this.#channel = null
      // The client gives up on a subscription that was not answered in time. We do not.
      if (error?.name === 'SubscriptionRejectedError') {
        this.#move({ type: 'closed', reason: 'rejected' })
      } else {
        this.#move({ type: 'lost', asOf: this.#lastHeard })
        this.#subscribeIn(reconnectDelay(0))
      }
    })
    this.#cable.subscribe(channel)
  }

  #resubscribe(): void {
    const previous = this.#channel
    this.#channel = null
    previous?.disconnect()
    // In one go the client would take both back and send neither.
    this.#subscribeIn(0)
  }

  #subscribeIn(milliseconds: number): void {
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => this.#subscribe(), milliseconds)
  }

  /**
   * Asks for the technicians anew, because the stream names some whom the page does not know.
   * Who is unknown even then has left, and is not asked for again.
   */
  resync(unknown: readonly number[]): void {
    if (Date.now() - this.#lastResync < RESYNC_INTERVAL_MS) return
    if (unknown.every((id) => this.#askedFor.has(id))) return
    for (const id of unknown) this.#askedFor.add(id)
    this.#lastResync = Date.now()
    this.#resubscribe()
  }

  #receive(raw: unknown): void {
    try {
      const message = parseMapMessage(raw)
      if (message === null) return
      if (message.type === 'technicians') {
        this.#technicians = message
        if (this.#connection.status === 'live') this.events.thresholds(message.thresholds)
        return
      }
      this.clock.observe(message.serverTime)
      if (message.type === 'snapshot' && this.#technicians !== null) {
        clearTimeout(this.#deadline)
        this.events.snapshot(this.#technicians, message)
        this.#move({ type: 'snapshot' })
      } else if (message.type === 'changes' && this.#connection.status === 'live') {
        this.events.changes(message)
      }
    } catch (error) {
      // One malformed message must not end the stream; the console says what was wrong with it.
      console.error('The map stream sent a message that this page cannot read:', error)
    }
  }

  #move(event: Parameters<typeof nextConnection>[1]): void {
    if (event.type !== 'snapshot') clearTimeout(this.#deadline)
    this.#connection = nextConnection(this.#connection, event)
    this.events.connection(this.#connection)
  }
}
