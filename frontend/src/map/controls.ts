import {
  AttributionControl,
  type Map as MapLibre,
  NavigationControl,
  ScaleControl,
} from 'maplibre-gl'
import { usesMiles } from '../live/format'

/** Zoom buttons, scale and the attribution that the map data's licence asks for. */
export function addControls(map: MapLibre, attribution: string | null): void {
  map.addControl(
    new AttributionControl({
      compact: false,
      ...(attribution === null ? {} : { customAttribution: attribution }),
    }),
    'bottom-right',
  )
  map.addControl(new NavigationControl({ showCompass: false }), 'bottom-right')
  map.addControl(
    new ScaleControl({ unit: usesMiles(navigator.language) ? 'imperial' : 'metric' }),
    'bottom-left',
  )
}
