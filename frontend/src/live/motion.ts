/** How a marker gets from one fix to the next. Angles in degrees, times in milliseconds. */

export interface Pose {
  readonly lon: number
  readonly lat: number
  readonly heading: number | null
}

export interface Glide {
  readonly from: Pose
  readonly to: Pose
  readonly startedAt: number
  readonly duration: number
}

/** A marker is never later than this behind what the server said. */
export const MAX_GLIDE_MS = 2000
const MIN_GLIDE_MS = 250
/** Farther jumps are gaps in what we know, not journeys that we may invent. */
export const MAX_GLIDE_METRES = 1000

const METRES_PER_DEGREE = 111_320

/** Brings a longitude into [-180, 180). */
export function wrapLon(lon: number): number {
  return ((((lon + 180) % 360) + 360) % 360) - 180
}

/** From `a` to `b` the short way round the circle, at `t` in 0..1. */
function interpolateAngle(a: number, b: number, t: number): number {
  const turn = ((((b - a) % 360) + 540) % 360) - 180
  return a + turn * t
}

/** A longitude between two, across the antimeridian where that is shorter. */
export function interpolateLon(a: number, b: number, t: number): number {
  return wrapLon(interpolateAngle(a, b, t))
}

/** A heading in [0, 360) between two. */
export function interpolateHeading(a: number, b: number, t: number): number {
  return ((interpolateAngle(a, b, t) % 360) + 360) % 360
}

/** Metres between two poses; flat-earth, good to 1 % at the distances a glide may have. */
export function distanceMetres(a: Pose, b: Pose): number {
  const east = wrapLon(b.lon - a.lon) * Math.cos((((a.lat + b.lat) / 2) * Math.PI) / 180)
  return Math.hypot(east, b.lat - a.lat) * METRES_PER_DEGREE
}

/**
 * Plans the way to a new fix, or null when the marker should simply be there. It lasts as long as
 * the last two fixes were apart, so that a steady stream of fixes gives a steady motion.
 */
export function planGlide(from: Pose, to: Pose, now: number, sinceLastFix: number): Glide | null {
  const metres = distanceMetres(from, to)
  if (metres === 0 || metres > MAX_GLIDE_METRES) return null
  const duration = Math.min(MAX_GLIDE_MS, Math.max(MIN_GLIDE_MS, sinceLastFix))
  return { from, to, startedAt: now, duration }
}

/** Where the marker is at `now`, and whether it has arrived. */
export function poseAt(glide: Glide, now: number): { pose: Pose; done: boolean } {
  const t = Math.min(1, Math.max(0, (now - glide.startedAt) / glide.duration))
  if (t >= 1) return { pose: glide.to, done: true }
  const { from, to } = glide
  return {
    pose: {
      lon: interpolateLon(from.lon, to.lon, t),
      lat: from.lat + (to.lat - from.lat) * t,
      heading:
        from.heading === null || to.heading === null
          ? to.heading
          : interpolateHeading(from.heading, to.heading, t),
    },
    done: false,
  }
}
