import type { FeatureCollection } from 'geojson'
import type { FilterSpecification, LayerSpecification, Map as MapLibre } from 'maplibre-gl'

export const FLEET = 'sera-fleet'
export const SELECTED = 'sera-selected'
export const TRAIL = 'sera-trail'
export const BADGES = 'sera-badges'

const EMPTY: FeatureCollection = { type: 'FeatureCollection', features: [] }

const DRIVEN: FilterSpecification = ['==', ['get', 'kind'], 'driven']
const HEAD: FilterSpecification = ['==', ['geometry-type'], 'LineString']
const ROUND = { 'line-cap': 'round', 'line-join': 'round' } as const
const CASING = {
  type: 'line',
  layout: ROUND,
  paint: { 'line-color': '#ffffff', 'line-width': 6, 'line-opacity': 0.85 },
} as const
const LINE = {
  type: 'line',
  layout: ROUND,
  paint: { 'line-color': ['get', 'color'], 'line-width': 3.5 },
} satisfies Partial<LayerSpecification>

/** Layers from bottom to top. */
const LAYERS: LayerSpecification[] = [
  {
    id: 'sera-accuracy',
    type: 'fill',
    source: SELECTED,
    filter: ['==', ['geometry-type'], 'Polygon'],
    paint: {
      'fill-color': ['get', 'color'],
      'fill-opacity': 0.14,
      'fill-outline-color': ['get', 'color'],
    },
  },
  { ...CASING, id: 'sera-trail-casing', source: TRAIL, filter: DRIVEN },
  { ...CASING, id: 'sera-trail-head-casing', source: SELECTED, filter: HEAD },
  { ...LINE, id: 'sera-trail', source: TRAIL, filter: DRIVEN },
  { ...LINE, id: 'sera-trail-head', source: SELECTED, filter: HEAD },
  {
    id: 'sera-trail-gap',
    type: 'line',
    source: TRAIL,
    filter: ['==', ['get', 'kind'], 'gap'],
    paint: {
      'line-color': ['get', 'color'],
      'line-width': 2,
      'line-dasharray': [2, 2],
      'line-opacity': 0.7,
    },
  },
  {
    id: 'sera-halo',
    type: 'circle',
    source: FLEET,
    paint: {
      'circle-radius': ['case', ['boolean', ['feature-state', 'selected'], false], 23, 0],
      'circle-color': ['get', 'color'],
      'circle-opacity': 0.25,
      'circle-stroke-color': ['get', 'color'],
      'circle-stroke-width': ['case', ['boolean', ['feature-state', 'selected'], false], 2.5, 0],
    },
  },
  {
    id: 'sera-arrows',
    type: 'symbol',
    source: FLEET,
    filter: ['!=', ['get', 'arrow'], ''],
    layout: {
      'icon-image': ['get', 'arrow'],
      'icon-rotate': ['get', 'heading'],
      'icon-rotation-alignment': 'map',
      'icon-allow-overlap': true,
      'icon-ignore-placement': true,
    },
  },
  {
    id: BADGES,
    type: 'symbol',
    source: FLEET,
    layout: {
      'icon-image': ['get', 'badge'],
      'icon-allow-overlap': true,
      'icon-ignore-placement': true,
      'symbol-sort-key': ['get', 'order'],
    },
    paint: { 'icon-opacity': ['get', 'opacity'] },
  },
]

/** Adds our sources and layers on top of a style that has just loaded. */
export function addLayers(map: MapLibre): void {
  map.addSource(FLEET, { type: 'geojson', data: EMPTY, promoteId: 'id' })
  map.addSource(SELECTED, { type: 'geojson', data: EMPTY })
  map.addSource(TRAIL, { type: 'geojson', data: EMPTY })
  for (const layer of LAYERS) map.addLayer(layer)
}
