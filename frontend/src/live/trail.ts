import { asArray, asFields, asString, FieldError, optional } from './fields'
import { parsePosition } from './messages'
import { distanceMetres } from './motion'
import type { Position } from './types'

/** The recent way of one technician: ascending by time, no time twice. */
export type Trail = readonly Position[]

export const TRAIL_MS = 2 * 60 * 60 * 1000
/** Between fixes farther apart in time we do not know the way: the line is dashed. */
const GAP_MS = 5 * 60 * 1000
/** The same for a jump that no way explains. */
const GAP_METRES = 2000
const PAGE_SIZE = 1000
/** 10,000 fixes: two hours at more than one a second. */
const MAX_PAGES = 10

export interface TrailLines {
  /** Driven ways, each a list of [lon, lat]. */
  driven: [number, number][][]
  /** Straight bridges over gaps. */
  gaps: [number, number][][]
}

/** Adds fixes in any order; those before `since` (ms) fall off. */
export function mergeTrail(trail: Trail, fixes: readonly Position[], since: number): Trail {
  const last = trail.at(-1)
  const first = trail[0]
  const [only] = fixes
  if (fixes.length === 1 && only && last && only.recordedAt > last.recordedAt) {
    const kept = first && first.recordedAt < since ? trail.filter(after(since)) : trail
    return [...kept, only]
  }
  const byTime = new Map<number, Position>()
  for (const fix of trail) byTime.set(fix.recordedAt, fix)
  for (const fix of fixes) byTime.set(fix.recordedAt, fix)
  return [...byTime.values()].filter(after(since)).sort((a, b) => a.recordedAt - b.recordedAt)
}

function after(since: number): (fix: Position) => boolean {
  return (fix) => fix.recordedAt >= since
}

/** Splits a trail into what was driven and what is only guessed. */
export function trailLines(trail: Trail): TrailLines {
  const lines: TrailLines = { driven: [], gaps: [] }
  let way: [number, number][] = []
  let previous: Position | undefined
  for (const fix of trail) {
    const point: [number, number] = [fix.lon, fix.lat]
    if (previous !== undefined && isGap(previous, fix)) {
      if (way.length > 1) lines.driven.push(way)
      lines.gaps.push([[previous.lon, previous.lat], point])
      way = []
    }
    way.push(point)
    previous = fix
  }
  if (way.length > 1) lines.driven.push(way)
  return lines
}

function isGap(a: Position, b: Position): boolean {
  return (
    b.recordedAt - a.recordedAt > GAP_MS ||
    distanceMetres({ ...a, heading: null }, { ...b, heading: null }) > GAP_METRES
  )
}

export class TrailError extends Error {
  override name = 'TrailError'
}

/**
 * Loads the good fixes of a technician since `since` (ms), page by page. Throws TrailError when the
 * server refuses or answers nonsense; AbortError when `signal` fires.
 */
export async function fetchTrail(
  technicianId: number,
  since: number,
  signal: AbortSignal,
): Promise<Trail> {
  const fixes: Position[] = []
  let after: string | null = null
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const query = new URLSearchParams({
      technician: String(technicianId),
      since: new Date(since).toISOString(),
      limit: String(PAGE_SIZE),
    })
    if (after !== null) query.set('after', after)
    const response = await fetch(`/api/v1/fixes/?${query}`, {
      signal,
      headers: { Accept: 'application/json' },
      credentials: 'same-origin',
    })
    if (!response.ok) throw new TrailError(`The server answered ${response.status}`)
    try {
      const body = asFields(await response.json(), 'trail')
      for (const [index, fix] of asArray(body.results, 'trail.results').entries()) {
        const name = `trail.results[${index}]`
        // One with a reason was kept, but nobody was there.
        const reason = optional(asFields(fix, name).reason, `${name}.reason`, asString)
        if (reason === null) fixes.push(parsePosition(fix, name))
      }
      after = optional(body.next, 'trail.next', asString)
    } catch (error) {
      if (error instanceof FieldError || error instanceof SyntaxError) {
        throw new TrailError(error.message)
      }
      throw error
    }
    if (after === null) break
  }
  return mergeTrail([], fixes, since)
}
