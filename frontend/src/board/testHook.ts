import type { Connection } from '../live/connection'
import { freshness } from '../live/freshness'
import type { FleetMap } from '../map/fleetMap'
import type { FleetUpdate } from './useLiveFleet'

/**
 * What browser tests read instead of pixels, as `window.__sera`. Nothing in the page reads it.
 *
 * - `map`: MapLibre's Map, null without WebGL. Sources and layers: src/map/layers.ts.
 * - `technicians()`: everyone on the list, with the newest known position (`target`) and where the
 *   marker is drawn at this moment (`displayed`, null while the map is not there).
 * - `connection()`: connecting, live, reconnecting, signed-out or refused.
 */
export interface TestHook {
  readonly map: FleetMap['map'] | null
  technicians(): TechnicianView[]
  connection(): Connection['status']
}

export interface TechnicianView {
  id: number
  name: string
  state: string
  displayed: { lon: number; lat: number; heading: number | null } | null
  target: { lon: number; lat: number; heading: number | null; recordedAt: string } | null
}

declare global {
  interface Window {
    __sera?: TestHook
  }
}

export function installTestHook(sources: {
  fleetMap(): FleetMap | null
  update(): FleetUpdate | null
  connection(): Connection
  now(): number
}): void {
  window.__sera = Object.freeze({
    get map() {
      return sources.fleetMap()?.map ?? null
    },
    technicians(): TechnicianView[] {
      const fleet = sources.update()?.fleet
      if (!fleet) return []
      const drawn = new Map(
        [...(sources.fleetMap()?.markers() ?? [])].map(({ technician, pose }) => [
          technician.id,
          { ...pose },
        ]),
      )
      return [...fleet.technicians.values()].map(({ id, name, position }) => ({
        id,
        name,
        state: freshness(position, sources.now(), fleet.thresholds),
        displayed: drawn.get(id) ?? null,
        target: position && {
          lon: position.lon,
          lat: position.lat,
          heading: position.heading,
          recordedAt: new Date(position.recordedAt).toISOString(),
        },
      }))
    },
    connection: () => sources.connection().status,
  })
}
