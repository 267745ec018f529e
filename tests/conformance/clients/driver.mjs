// Drives one official client for the conformance tests.
//
// Reads orders as JSON lines from standard input, writes what the client's own callbacks report
// as JSON lines to standard output. The clients are used as they come from npm; Node lacks the few
// browser globals that Rails' client touches, and these are given here.
import { createInterface } from 'node:readline'
import { createCable, Channel } from '@anycable/core'
import WebSocket from 'ws'

const report = event => process.stdout.write(JSON.stringify(event) + '\n')

// The sockets that a client opened, newest last, so that a test can cut one.
const sockets = []
// Nobody listens there: every connection is refused at once.
const NOWHERE = 'ws://127.0.0.1:1'
let offline = false
class RecordedWebSocket extends WebSocket {
  constructor(url, protocols, options) {
    // A browser hands over each message in a task of its own, and so must this.
    super(offline ? NOWHERE : url, protocols, { ...options, allowSynchronousEvents: false })
    sockets.push(this)
  }

  send(data) {
    if (data === '{"command":"pong"}') report({ event: 'pong' })
    super.send(data)
  }
}

// After a cut, clients come back within this many milliseconds instead of seconds.
const RECONNECT_MS = 200

class AnyCableDriver {
  constructor({ url, token, tokenStrategy, refreshedToken, refresh, extended, pongs, since }) {
    this.channels = new Map()
    this.cable = createCable(url, {
      protocol: extended ? 'actioncable-v1-ext-json' : 'actioncable-v1-json',
      protocolOptions: { pongs },
      historyTimestamp: since,
      websocketImplementation: RecordedWebSocket,
      websocketAuthStrategy: tokenStrategy,
      auth: token ? { token } : undefined,
      reconnectStrategy: () => RECONNECT_MS,
      tokenRefresher: refreshedToken || refresh ? this.refresher(refreshedToken) : undefined,
      logLevel: 'error'
    })
    let connected = false
    this.cable.on('connect', ({ reconnect, restored }) => {
      connected = true
      report({ event: 'connect', reconnect, restored: restored || undefined })
    })
    this.cable.on('disconnect', error => {
      // Attempts that fail end with the same event.
      if (connected) report({ event: 'disconnect', reason: error?.reason })
      connected = false
    })
    this.cable.on('close', error => report({ event: 'close', reason: error?.reason }))
    this.cable.connect().catch(() => {})
  }

  // Without a token at hand, the test gives one later: `renew`.
  refresher(token) {
    const given = token ? Promise.resolve(token) : new Promise(resolve => (this.give = resolve))
    return async transport => transport.setToken(await given)
  }

  renew({ token }) {
    this.give(token)
  }

  subscribe({ name, channel, params }) {
    class Named extends Channel {
      static identifier = channel
    }
    this.open(name, this.cable.subscribe(this.watch(name, new Named(params))))
  }

  streamFromSigned({ name, signed }) {
    this.open(name, this.watch(name, this.cable.streamFromSigned(signed)))
  }

  open(name, subscription) {
    this.channels.set(name, subscription)
  }

  watch(name, subscription) {
    subscription.on('connect', ({ reconnect, restored }) => {
      report({ event: 'connected', name, reconnect, restored: restored || undefined })
    })
    subscription.on('disconnect', () => report({ event: 'disconnected', name }))
    subscription.on('close', error => {
      report({ event: error?.name === 'SubscriptionRejectedError' ? 'rejected' : 'closed', name })
    })
    subscription.on('message', (message, meta) => {
      report({ event: 'message', name, message, stream: meta?.stream, offset: meta?.offset })
    })
    subscription.on('info', ({ type }) => report({ event: type, name }))
    subscription.on('presence', message => report({ event: 'presence', name, message }))
    return subscription
  }

  perform({ name, action, data }) {
    this.channels.get(name).perform(action, data).catch(error => {
      report({ event: 'perform failed', name, error: String(error) })
    })
  }

  whisper({ name, data }) {
    this.channels.get(name).whisper(data)
  }

  join({ name, id, info }) {
    this.channels.get(name).presence.join(id, info)
  }

  leave({ name }) {
    this.channels.get(name).presence.leave()
  }

  async present({ name }) {
    report({ event: 'present', name, present: await this.channels.get(name).presence.info() })
  }

  unsubscribe({ name }) {
    this.channels.get(name).disconnect()
  }

  cut() {
    sockets.at(-1).terminate()
  }

  // The network is away: the socket is cut, and none opens before `online`.
  offline() {
    offline = true
    this.cut()
  }

  online() {
    offline = false
  }
}

class RailsDriver {
  constructor({ url }) {
    this.subscriptions = new Map()
    this.consumer = rails.createConsumer(url)
    this.consumer.connect()
  }

  subscribe({ name, channel, params }) {
    const subscription = this.consumer.subscriptions.create(
      { channel, ...params },
      {
        connected: ({ reconnected }) => {
          report({ event: 'connected', name, reconnect: reconnected })
        },
        disconnected: ({ willAttemptReconnect }) => {
          report({ event: willAttemptReconnect ? 'disconnected' : 'disconnected for ever', name })
        },
        rejected: () => report({ event: 'rejected', name }),
        received: message => report({ event: 'message', name, message })
      }
    )
    this.subscriptions.set(name, subscription)
  }

  perform({ name, action, data }) {
    this.subscriptions.get(name).perform(action, data)
  }

  unsubscribe({ name }) {
    this.subscriptions.get(name).unsubscribe()
  }

  cut() {
    sockets.at(-1).terminate()
    // As when the user comes back to the page; the client's own poll takes six seconds.
    sockets.at(-1).on('close', () => this.consumer.connection.monitor.visibilityDidChange())
  }
}

globalThis.document = { visibilityState: 'visible' }
globalThis.addEventListener = () => {}
globalThis.removeEventListener = () => {}
const rails = await import('@rails/actioncable')
rails.adapters.WebSocket = RecordedWebSocket

let driver
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line)
  if (order.do === 'connect') {
    driver = order.client === 'rails' ? new RailsDriver(order) : new AnyCableDriver(order)
  } else {
    driver[order.do](order)
  }
}
process.exit(0)
