import { type Cable, Channel, createCable } from '@anycable/web'
import type { ServerClock } from './clock'
import { type Connection, nextConnection, reconnectDelay } from './connection'
import { parseMapMessage } from './messages'
import type { Positions, Snapshot } from './types'

/** A confirmed subscription that stays silent for this long is asked for again. */
const SNAPSHOT_DEADLINE_MS = 10_000
/** A fresh snapshot is asked for at most this often, whatever the stream contains. */
const RESYNC_INTERVAL_MS = 30_000

class MapChannel extends Channel {
  static override readonly identifier = 'MapChannel'
}

export interface FeedEvents {
  connection(connection: Connection): void
  snapshot(snapshot: Snapshot): void
  positions(positions: Positions): void
}

/** The map stream: the stock AnyCable client, its messages checked, its state made plain. */
export class MapFeed {
  #connection: Connection = { status: 'connecting' }
  #cable: Cable
  #channel: Channel | null = null
  #lastHeard: number | null = null
  #lastResync = Number.NEGATIVE_INFINITY
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
      protocol: 'actioncable-v1-json',
      reconnectStrategy: reconnectDelay,
      logLevel: 'error',
    })
    // Every ping says that the stream is whole up to now, also when nobody moves.
    this.#cable.on('keepalive', () => {
      this.#lastHeard = this.clock.now()
    })
    this.#cable.on('disconnect', () => {
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

  /** Asks for a new snapshot, because the stream names someone whom the last one did not. */
  resync(): void {
    if (Date.now() - this.#lastResync < RESYNC_INTERVAL_MS) return
    this.#lastResync = Date.now()
    this.#resubscribe()
  }

  #receive(raw: unknown): void {
    try {
      const message = parseMapMessage(raw)
      if (message === null) return
      this.clock.observe(message.serverTime)
      if (message.type === 'snapshot') {
        clearTimeout(this.#deadline)
        this.events.snapshot(message)
        this.#move({ type: 'snapshot' })
      } else if (this.#connection.status === 'live') {
        this.events.positions(message)
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
