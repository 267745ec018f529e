/** Each frame of many moving markers costs the worker more, so it gets fewer of them. */
const INTERVALS = [
  { upTo: 100, milliseconds: 0 },
  { upTo: 1000, milliseconds: 50 },
  { upTo: Number.POSITIVE_INFINITY, milliseconds: 125 },
]
/** A screen that takes longer than this for a frame is drawing at its limit. */
const SLOW_FRAME_MS = 34
/** On such a screen, half of the time stays free for everything else. */
const REST = 2
const SLOWEST_MS = 500
/** A longer pause is not a slow frame but a time without frames. */
const PAUSE_MS = 1000
const SMOOTHING = 0.2

/** Decides how often moving markers are redrawn: by how many move and what the machine bears. */
export class Pacer {
  #previous: number | null = null
  #smoothed = 0
  #drawn = Number.NEGATIVE_INFINITY

  /** Takes the time of every animation frame, in milliseconds. */
  frame(time: number): void {
    const gap = this.#previous === null ? PAUSE_MS : time - this.#previous
    this.#previous = time
    if (gap < PAUSE_MS) this.#smoothed += (gap - this.#smoothed) * SMOOTHING
  }

  /** Whether `moving` markers should be redrawn at `time`; if so, counts it as done. */
  due(time: number, moving: number): boolean {
    const byCount = INTERVALS.find(({ upTo }) => moving <= upTo)?.milliseconds ?? 0
    const byLoad = this.#smoothed > SLOW_FRAME_MS ? Math.min(SLOWEST_MS, this.#smoothed * REST) : 0
    if (time - this.#drawn < Math.max(byCount, byLoad)) return false
    this.#drawn = time
    return true
  }
}
