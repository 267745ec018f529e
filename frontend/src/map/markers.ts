import type { Feature, Point } from 'geojson'
import type { GeoJSONFeatureDiff, GeoJSONSourceDiff } from 'maplibre-gl'
import type { Fleet } from '../live/fleet'
import { MOVING_MPS } from '../live/format'
import { type Freshness, freshness } from '../live/freshness'
import { type Glide, type Pose, planGlide, poseAt } from '../live/motion'
import type { Position, Technician } from '../live/types'
import { arrowImage, badgeImage } from './images'

/** What a marker looks like, apart from where it is. */
interface Look {
  badge: string
  /** Empty while standing still: no arrow. */
  arrow: string
  opacity: number
  freshness: Freshness
}

export interface Marker {
  technician: Technician
  position: Position
  pose: Pose
  glide: Glide | null
  look: Look
  selected: boolean
}

/** Who is drawn over whom where markers overlap: the fresher, and over all the selected one. */
const ORDER = { none: 0, lost: 0, stale: 1, delayed: 2, live: 3, selected: 4 }

/** Six decimals are 11 cm; more would only make the diffs longer. */
const round = (degrees: number): number => Math.round(degrees * 1e6) / 1e6

function poseOf(position: Position): Pose {
  return { lon: position.lon, lat: position.lat, heading: position.heading }
}

function lookOf(technician: Technician, position: Position, fresh: Freshness): Look {
  const moving =
    fresh === 'live' && position.heading !== null && (position.speed ?? 0) >= MOVING_MPS
  return {
    badge: badgeImage(technician.color, technician.initials, fresh),
    arrow: moving ? arrowImage(technician.color) : '',
    opacity: fresh === 'lost' ? 0.6 : 1,
    freshness: fresh,
  }
}

function sameLook(a: Look, b: Look): boolean {
  return a.badge === b.badge && a.arrow === b.arrow && a.opacity === b.opacity
}

function geometry(pose: Pose): Point {
  return { type: 'Point', coordinates: [round(pose.lon), round(pose.lat)] }
}

function properties(marker: Marker): Record<string, string | number> {
  return {
    id: marker.technician.id,
    color: marker.technician.color,
    badge: marker.look.badge,
    arrow: marker.look.arrow,
    opacity: marker.look.opacity,
    order: marker.selected ? ORDER.selected : ORDER[marker.look.freshness],
    freshness: marker.look.freshness,
    heading: Math.round(marker.pose.heading ?? 0),
  }
}

function update(marker: Marker): GeoJSONFeatureDiff {
  return {
    id: marker.technician.id,
    newGeometry: geometry(marker.pose),
    addOrUpdateProperties: Object.entries(properties(marker)).map(([key, value]) => ({
      key,
      value,
    })),
  }
}

/**
 * The markers of all technicians who have a position: where each is drawn, where it is heading,
 * and the diffs that bring the map's source from one moment to the next.
 */
export class Markers {
  readonly #markers = new Map<number, Marker>()
  readonly #gliding = new Set<number>()
  #selected: number | null = null

  get(id: number): Marker | undefined {
    return this.#markers.get(id)
  }

  all(): IterableIterator<Marker> {
    return this.#markers.values()
  }

  /** How many are on their way to their newest fix. */
  get gliding(): number {
    return this.#gliding.size
  }

  /** Marks one technician, or nobody, as selected. */
  select(id: number | null): GeoJSONSourceDiff {
    const previous = this.#selected
    this.#selected = id
    const touched = [previous, id].flatMap((each) => {
      const marker = each === null ? undefined : this.#markers.get(each)
      return marker ? [marker] : []
    })
    for (const marker of touched) marker.selected = marker.technician.id === id
    return { update: touched.map(update) }
  }

  features(): Feature<Point>[] {
    return [...this.#markers.values()].map(asFeature)
  }

  /**
   * Takes over a fleet. `now` is the server's time, `frame` the animation's; `mayGlide` decides
   * who moves smoothly. Returns null when nothing on the map has to change.
   */
  sync(
    fleet: Fleet,
    now: number,
    frame: number,
    mayGlide: (from: Pose, to: Pose) => boolean,
  ): GeoJSONSourceDiff | null {
    const diff = {
      add: [] as Feature[],
      remove: [] as number[],
      update: [] as GeoJSONFeatureDiff[],
    }
    for (const technician of fleet.technicians.values()) {
      const { position } = technician
      const known = this.#markers.get(technician.id)
      if (position === null) continue
      const look = lookOf(technician, position, freshness(position, now, fleet.thresholds))
      if (known === undefined) {
        const marker: Marker = {
          technician,
          position,
          pose: poseOf(position),
          glide: null,
          look,
          selected: technician.id === this.#selected,
        }
        this.#markers.set(technician.id, marker)
        diff.add.push(asFeature(marker))
        continue
      }
      const moved = known.position !== position && this.#move(known, position, frame, mayGlide)
      const changed = !sameLook(known.look, look)
      known.technician = technician
      known.look = look
      if (moved || changed) diff.update.push(update(known))
    }
    for (const id of this.#markers.keys()) {
      if (!fleet.technicians.get(id)?.position) {
        this.#markers.delete(id)
        this.#gliding.delete(id)
        diff.remove.push(id)
      }
    }
    return diff.add.length + diff.remove.length + diff.update.length > 0 ? diff : null
  }

  /** True when the marker jumped and so has to be redrawn at once. */
  #move(
    marker: Marker,
    position: Position,
    frame: number,
    mayGlide: (from: Pose, to: Pose) => boolean,
  ): boolean {
    const to = poseOf(position)
    const sinceLastFix = position.recordedAt - marker.position.recordedAt
    marker.position = position
    marker.glide =
      sinceLastFix > 0 && mayGlide(marker.pose, to)
        ? planGlide(marker.pose, to, frame, sinceLastFix)
        : null
    if (marker.glide !== null) {
      this.#gliding.add(marker.technician.id)
      return false
    }
    this.#gliding.delete(marker.technician.id)
    marker.pose = to
    return true
  }

  /** Moves everyone who is on the way to where they are at `frame`. */
  advance(frame: number): GeoJSONSourceDiff {
    const diff: GeoJSONFeatureDiff[] = []
    for (const id of this.#gliding) {
      const marker = this.#markers.get(id)
      if (marker?.glide) {
        const { pose, done } = poseAt(marker.glide, frame)
        marker.pose = pose
        if (done) {
          marker.glide = null
          this.#gliding.delete(id)
        }
        diff.push({
          id,
          newGeometry: geometry(pose),
          addOrUpdateProperties: [{ key: 'heading', value: Math.round(pose.heading ?? 0) }],
        })
      }
    }
    return { update: diff }
  }
}

function asFeature(marker: Marker): Feature<Point> {
  return {
    type: 'Feature',
    id: marker.technician.id,
    geometry: geometry(marker.pose),
    properties: properties(marker),
  }
}
