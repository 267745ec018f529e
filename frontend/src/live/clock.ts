/** Recent samples kept: enough to find one that travelled fast, few enough to follow a clock
 * that was set anew. */
const SAMPLES = 20

/**
 * The server's clock, as seen from this browser. A message is late by its travel time, never
 * early, so of the recent offsets the largest is the closest to the truth.
 */
export class ServerClock {
  #offsets: number[] = []

  constructor(private readonly localNow: () => number = Date.now) {}

  /** Takes the server's time (ms since the epoch) out of a message that arrived just now. */
  observe(serverTime: number): void {
    this.#offsets.push(serverTime - this.localNow())
    if (this.#offsets.length > SAMPLES) this.#offsets.shift()
  }

  /** The server's time in ms since the epoch; the browser's until a first message came. */
  now(): number {
    const offset = this.#offsets.length > 0 ? Math.max(...this.#offsets) : 0
    return this.localNow() + offset
  }
}
