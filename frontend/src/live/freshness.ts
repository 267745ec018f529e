import type { Position, Thresholds } from './types'

/** How far a position can be trusted; `none` is a technician who never sent one. */
export type Freshness = 'live' | 'delayed' | 'stale' | 'lost' | 'none'

export const FRESHNESS_LABELS: Record<Freshness, string> = {
  live: 'Live',
  delayed: 'Delayed',
  stale: 'Stale',
  lost: 'Lost',
  none: 'No position yet',
}

/** Age in whole seconds; a phone's clock that runs ahead gives 0. */
export function ageSeconds(recordedAt: number, now: number): number {
  return Math.max(0, Math.floor((now - recordedAt) / 1000))
}

/** Live below `delayed`, then delayed, from `stale` on stale, from `lost` on lost. */
export function freshness(
  position: Position | null,
  now: number,
  thresholds: Thresholds,
): Freshness {
  if (position === null) return 'none'
  const age = ageSeconds(position.recordedAt, now)
  if (age < thresholds.delayed) return 'live'
  if (age < thresholds.stale) return 'delayed'
  return age < thresholds.lost ? 'stale' : 'lost'
}
