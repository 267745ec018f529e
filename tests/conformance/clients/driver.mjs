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
class RecordedWebSocket extends WebSocket {
  constructor(url, protocols, options) {
    // A browser hands over each message in a task of its own, and so must this.
    super(url, protocols, { ...options, allowSynchronousEvents: false })
    sockets.push(this)
  }
}

// After a cut, clients come back within this many milliseconds instead of seconds.
const RECONNECT_MS = 200

class AnyCableDriver {
  constructor({ url, token, tokenStrategy, refreshedToken }) {
    this.channels = new Map()
    this.cable = createCable(url, {
      websocketImplementation: RecordedWebSocket,
      websocketAuthStrategy: tokenStrategy,
      auth: token ? { token } : undefined,
      reconnectStrategy: () => RECONNECT_MS,
      tokenRefresher: refreshedToken
        ? async transport => transport.setToken(refreshedToken)
        : undefined,
      logLevel: 'error'
    })
    this.cable.on('connect', ({ reconnect }) => report({ event: 'connect', reconnect }))
    this.cable.on('disconnect', error => report({ event: 'disconnect', reason: error?.reason }))
    this.cable.on('close', error => report({ event: 'close', reason: error?.reason }))
    this.cable.connect().catch(() => {})
  }

  subscribe({ name, channel, params }) {
    class Named extends Channel {
      static identifier = channel
    }
    const subscription = new Named(params)
    subscription.on('connect', ({ reconnect }) => report({ event: 'connected', name, reconnect }))
    subscription.on('disconnect', () => report({ event: 'disconnected', name }))
    subscription.on('close', error => {
      report({ event: error?.name === 'SubscriptionRejectedError' ? 'rejected' : 'closed', name })
    })
    subscription.on('message', message => report({ event: 'message', name, message }))
    this.channels.set(name, subscription)
    this.cable.subscribe(subscription)
  }

  perform({ name, action, data }) {
    this.channels.get(name).perform(action, data).catch(error => {
      report({ event: 'perform failed', name, error: String(error) })
    })
  }

  unsubscribe({ name }) {
    this.channels.get(name).disconnect()
  }

  cut() {
    sockets.at(-1).terminate()
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
