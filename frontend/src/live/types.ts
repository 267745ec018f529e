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

export interface Technician {
  id: number
  name: string
  initials: string
  /** `#rrggbb` */
  color: string
  position: Position | null
}

/** Ages in seconds from which a position counts as delayed, stale and lost. */
export interface Thresholds {
  delayed: number
  stale: number
  lost: number
}

export interface Snapshot {
  type: 'snapshot'
  /** Milliseconds since the epoch, by the server's clock. */
  serverTime: number
  thresholds: Thresholds
  technicians: Technician[]
}

export interface PositionChange {
  technicianId: number
  position: Position
}

export interface Positions {
  type: 'positions'
  serverTime: number
  positions: PositionChange[]
}

export type MapMessage = Snapshot | Positions
