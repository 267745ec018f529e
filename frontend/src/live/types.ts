/** What the map stream carries, after it was checked at the edge (see messages.ts). */

/** One fix as it is shown. Degrees, metres, metres per second, 0..1; null is unknown. */
export interface Position {
  lat: number
  lon: number
  accuracy: number | null
  speed: number | null
  /** Degrees clockwise from north. */
  heading: number | null
  battery: number | null
  /** When the phone measured it, in milliseconds since the epoch. */
  recordedAt: number
}

export interface Person {
  id: number
  name: string
  initials: string
  /** `#rrggbb` */
  color: string
}

export interface Technician extends Person {
  position: Position | null
}

/** Ages in seconds from which a position counts as delayed, stale and lost. */
export interface Thresholds {
  delayed: number
  stale: number
  lost: number
}

/** Who is on the map; comes once, before the first snapshot of a subscription. */
export interface Technicians {
  type: 'technicians'
  thresholds: Thresholds
  technicians: Person[]
}

/** The newest position of everyone who has one, by technician. */
export interface Snapshot {
  type: 'snapshot'
  /** Milliseconds since the epoch, by the server's clock. */
  serverTime: number
  positions: ReadonlyMap<number, Position>
}

/** What became of positions since; those of `removed` are no longer known. */
export interface Changes {
  type: 'changes'
  serverTime: number
  positions: ReadonlyMap<number, Position>
  removed: number[]
}

export type MapMessage = Technicians | Snapshot | Changes
