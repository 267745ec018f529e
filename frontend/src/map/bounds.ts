import { wrapLon } from '../live/motion'

/** [west, south, east, north]; east may exceed 180 where the box crosses the antimeridian. */
export type Box = [number, number, number, number]

/** The smallest box round all points ([lon, lat]), or null without any. */
export function boundsOf(points: readonly (readonly [number, number])[]): Box | null {
  if (points.length === 0) return null
  const lats = points.map(([, lat]) => lat)
  const lons = points.map(([lon]) => wrapLon(lon)).sort((a, b) => a - b)
  // The box leaves out the widest empty arc: west is its far end, east its near end.
  let west = 0
  let widest = -1
  for (const [index, lon] of lons.entries()) {
    const before = index === 0 ? (lons.at(-1) ?? 0) - 360 : (lons[index - 1] ?? 0)
    if (lon - before > widest) {
      widest = lon - before
      west = lon
    }
  }
  return [west, Math.min(...lats), west + 360 - widest, Math.max(...lats)]
}
