import type { Polygon } from 'geojson'

const METRES_PER_DEGREE = 111_320
const CORNERS = 64

/** A circle of `radius` metres as a polygon, good to 1 % up to 80° of latitude. */
export function accuracyCircle(lon: number, lat: number, radius: number): Polygon {
  const north = radius / METRES_PER_DEGREE
  const east = north / Math.cos((lat * Math.PI) / 180)
  const ring: [number, number][] = []
  for (let corner = 0; corner < CORNERS; corner += 1) {
    const angle = (2 * Math.PI * corner) / CORNERS
    ring.push([lon + east * Math.cos(angle), lat + north * Math.sin(angle)])
  }
  return { type: 'Polygon', coordinates: [[...ring, ring[0] as [number, number]]] }
}
