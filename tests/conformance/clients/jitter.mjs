// Many clients in one process whose sockets are cut all the time; see tests/chaos/test_jitter.py.
//
// What it is to do comes as JSON in the first argument. On standard output it says `ready` when
// all channels are subscribed. It begins to cut when `start` comes on standard input, lets all
// come back at `stop`, and answers each `report` with what the applications have seen so far.
import { createInterface } from 'node:readline'
import { createCable, Channel } from '@anycable/core'
import WebSocket from 'ws'

const { url, clients, first, streams, cutSeconds, downSeconds, replayCuts } = JSON.parse(
  process.argv[2]
)
// Clients that open their first socket at the same time.
const OPENING = 25
// Nobody listens there: every connection is refused at once.
const NOWHERE = 'ws://127.0.0.1:1'

const random = (from, to) => from + Math.random() * (to - from)
const counts = {
  delivered: 0,
  duplicates: 0,
  inversions: 0,
  cuts: 0,
  cutsInReplay: 0,
  restored: 0,
  subscribedAnew: 0,
  openedAnew: 0,
  historyLost: 0,
  rejected: 0
}
let cutting = false

class StreamChannel extends Channel {
  static identifier = 'StreamChannel'
}

class Client {
  constructor(number) {
    const client = this
    class CutWebSocket extends WebSocket {
      constructor(address, protocols) {
        // A browser hands over each message in a task of its own, and so must this.
        super(client.down ? NOWHERE : address, protocols, { allowSynchronousEvents: false })
        client.socket = this
        client.watchForReplay(this)
      }
    }
    this.down = false
    this.seen = new Map(streams.map(stream => [stream, []]))
    this.cable = createCable(`${url}?jid=phone${first + number}`, {
      protocol: 'actioncable-v1-ext-json',
      websocketImplementation: CutWebSocket,
      reconnectStrategy: () => random(200, 1000),
      logLevel: 'error'
    })
    this.cable.on('connect', ({ reconnect, restored }) => {
      if (reconnect) counts[restored ? 'restored' : 'subscribedAnew'] += 1
    })
    // One channel for all streams, or one for each.
    this.channels = number % 2 ? [streams] : streams.map(stream => [stream])
  }

  async start() {
    await this.cable.connect()
    await Promise.all(this.channels.map(names => this.subscribe(names).ensureSubscribed()))
  }

  subscribe(names) {
    const channel = new StreamChannel({ streams: names })
    channel.on('message', ({ n }, { stream }) => this.receive(stream, n))
    channel.on('info', ({ type }) => {
      if (type === 'history_not_found') counts.historyLost += 1
    })
    channel.on('close', error => {
      if (error) {
        counts.rejected += 1
        return
      }
      // Cut while its subscribe was not answered, which this client takes for the end. It forgets
      // the channel only after this callback.
      counts.openedAnew += 1
      setTimeout(() => this.subscribe(names), 0)
    })
    return this.cable.subscribe(channel)
  }

  receive(stream, n) {
    const seen = this.seen.get(stream)
    counts.delivered += 1
    if (seen.includes(n)) counts.duplicates += 1
    else if (seen.length && n < seen.at(-1)) counts.inversions += 1
    seen.push(n)
  }

  // Some sockets are cut again while what they missed is on its way.
  watchForReplay(socket) {
    if (!cutting || this.down || Math.random() >= replayCuts) return
    let left = 1 + Math.floor(random(0, 5))
    socket.on('message', data => {
      if (!cutting || this.down || !data.includes('"offset"')) return
      left -= 1
      if (left > 0) return
      counts.cutsInReplay += 1
      this.cut()
    })
    // Its history has been confirmed: what comes from here on is live.
    socket.on('message', data => {
      if (data.includes('"confirm_history"')) left = Infinity
    })
  }

  cutForEver() {
    // Between half and three halves of the mean.
    const cutInTime = () => {
      if (!cutting) return
      if (!this.down) this.cut()
      setTimeout(cutInTime, random(cutSeconds / 2, cutSeconds * 1.5) * 1000)
    }
    setTimeout(cutInTime, random(0, cutSeconds) * 1000)
  }

  cut() {
    if (this.socket.readyState > WebSocket.OPEN) return // it is on its way back
    counts.cuts += 1
    this.down = true
    this.socket.terminate()
    setTimeout(() => (this.down = false), random(downSeconds * 0.75, downSeconds * 1.25) * 1000)
  }
}

const all = Array.from({ length: clients }, (_, number) => new Client(number))
const waiting = [...all]
await Promise.all(
  Array.from({ length: OPENING }, async () => {
    while (waiting.length) await waiting.pop().start()
  })
)
console.log('"ready"')

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'start') {
    cutting = true
    all.forEach(client => client.cutForEver())
  } else if (line === 'stop') {
    cutting = false
  } else if (line === 'report') {
    const away = all.filter(client => client.cable.state !== 'connected').length
    const seen = all.map(client => Object.fromEntries(client.seen))
    console.log(JSON.stringify({ counts, away, seen }))
  }
}
process.exit(0)
