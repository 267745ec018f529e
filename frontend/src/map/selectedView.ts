import type { Feature, FeatureCollection } from 'geojson'
import type { GeoJSONSource, Map as MapLibre } from 'maplibre-gl'
import type { Pose } from '../live/motion'
import { type Trail, trailLines } from '../live/trail'
import { accuracyCircle } from './accuracy'
import { SELECTED, TRAIL } from './layers'
import type { Marker } from './markers'

/** What the map shows of the selected technician besides the marker: trail and accuracy. */
export class SelectedView {
  #trail: Trail = []
  /** Nothing is drawn, so nothing has to be taken away. */
  #blank = true

  constructor(private readonly map: MapLibre) {}

  setTrail(trail: Trail): void {
    this.#trail = trail
  }

  /** Draws all of it anew: for a new trail, a new fix or a new style. */
  draw(marker: Marker | undefined): void {
    const color = marker?.technician.color ?? ''
    // The last fix is left to the head, which ends where the marker is drawn right now.
    const { driven, gaps } = trailLines(this.#upTo(marker).slice(0, -1))
    this.#source(TRAIL).setData(
      collection([
        ...lines(driven, { kind: 'driven', color }),
        ...lines(gaps, { kind: 'gap', color }),
      ]),
    )
    this.#blank = false
    this.follow(marker)
  }

  /** Draws only what moves with the marker: accuracy circle and the trail's head. */
  follow(marker: Marker | undefined): void {
    if (!marker && this.#blank) return
    this.#blank = !marker
    const features: Feature[] = []
    if (marker) {
      const { pose, position, technician } = marker
      const properties = { color: technician.color }
      if (position.accuracy !== null && position.accuracy > 0) {
        const circle = accuracyCircle(pose.lon, pose.lat, position.accuracy)
        features.push({ type: 'Feature', geometry: circle, properties })
      }
      features.push(...lines(trailHead(this.#upTo(marker), pose), properties))
    }
    this.#source(SELECTED).setData(collection(features))
  }

  /** The trail up to the marker's own fix: history may already know later ones. */
  #upTo(marker: Marker | undefined): Trail {
    const until = marker?.position.recordedAt ?? 0
    return (this.#trail.at(-1)?.recordedAt ?? 0) <= until
      ? this.#trail
      : this.#trail.filter(({ recordedAt }) => recordedAt <= until)
  }

  #source(id: string): GeoJSONSource {
    return this.map.getSource(id) as GeoJSONSource
  }
}

export function collection(features: Feature[]): FeatureCollection {
  return { type: 'FeatureCollection', features }
}

function lines(ways: [number, number][][], properties: Record<string, string>): Feature[] {
  return ways.map((coordinates) => ({
    type: 'Feature',
    geometry: { type: 'LineString', coordinates },
    properties,
  }))
}

/** From the last fix but one to where the marker is drawn, unless a gap lies between. */
function trailHead(trail: Trail, pose: Pose): [number, number][][] {
  const end = trail.slice(-2)
  const [from] = end
  if (end.length < 2 || from === undefined || trailLines(end).gaps.length > 0) return []
  return [
    [
      [from.lon, from.lat],
      [pose.lon, pose.lat],
    ],
  ]
}
