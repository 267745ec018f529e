import { describe, expect, test } from 'vitest'
import type { Fleet } from '../src/live/fleet'
import type { Position } from '../src/live/types'
import { accuracyCircle } from '../src/map/accuracy'
import { boundsOf } from '../src/map/bounds'
import { textOn } from '../src/map/colors'
import { Markers } from '../src/map/markers'
import { Pacer } from '../src/map/pacer'

const T0 = Date.parse('2026-11-22T10:00:00.000Z')

test('bounds are the smallest box, also over the antimeridian', () => {
  expect(boundsOf([])).toBeNull()
  expect(boundsOf([[24, 60]])).toEqual([24, 60, 24, 60])
  expect(
    boundsOf([
      [24, 60],
      [25, 61],
      [23, 59],
    ]),
  ).toEqual([23, 59, 25, 61])
  expect(
    boundsOf([
      [179, -17],
      [-179, -18],
    ]),
  ).toEqual([179, -18, 181, -17])
})

test('the accuracy circle is closed and has its radius north and east', () => {
  const [ring] = accuracyCircle(24, 60, 1113.2).coordinates
  expect(ring).toHaveLength(65)
  expect(ring?.[64]).toEqual(ring?.[0])
  expect(ring?.[0]?.[0]).toBeCloseTo(24.02, 9)
  expect(ring?.[16]?.[1]).toBeCloseTo(60.01, 9)
})

test('initials are dark on light colours and light on dark ones', () => {
  expect(textOn('#facc15')).toBe('#10161c')
  expect(textOn('#1d4ed8')).toBe('#ffffff')
})

describe('markers', () => {
  const position = (seconds: number, lon: number): Position => ({
    lat: 60,
    lon,
    accuracy: 5,
    speed: 10,
    heading: 90,
    battery: null,
    recordedAt: T0 + seconds * 1000,
  })
  const fleet = (...positions: (Position | null)[]): Fleet => ({
    technicians: new Map(
      positions.map((each, index) => [
        index + 1,
        { id: index + 1, name: 'A', initials: 'AA', color: '#2563eb', position: each },
      ]),
    ),
    thresholds: { delayed: 60, stale: 300, lost: 1800 },
  })
  const always = () => true
  const never = () => false

  test('adds who has a position, moves them smoothly, takes them away', () => {
    const markers = new Markers()
    const added = markers.sync(fleet(position(0, 24), null), T0, 0, always)
    expect(added?.add?.map((feature) => feature.properties?.id)).toEqual([1])

    expect(markers.sync(fleet(position(1, 24.001), null), T0 + 1000, 100, always)).toBeNull()
    expect(markers.gliding).toBe(1)
    expect(markers.advance(600).update?.[0]?.newGeometry).toEqual({
      type: 'Point',
      coordinates: [24.0005, 60],
    })
    expect(markers.advance(1100).update?.[0]?.newGeometry).toEqual({
      type: 'Point',
      coordinates: [24.001, 60],
    })
    expect(markers.gliding).toBe(0)

    expect(markers.sync(fleet(null), T0 + 2000, 1200, always)?.remove).toEqual([1])
    expect([...markers.all()]).toEqual([])
  })

  test('jumps at once when gliding is not wanted', () => {
    const markers = new Markers()
    markers.sync(fleet(position(0, 24)), T0, 0, never)
    const diff = markers.sync(fleet(position(1, 24.001)), T0 + 1000, 0, never)
    expect(diff?.update?.[0]?.newGeometry).toEqual({ type: 'Point', coordinates: [24.001, 60] })
    expect(markers.gliding).toBe(0)
  })

  test('a fix during a glide starts from where the marker is drawn', () => {
    const markers = new Markers()
    markers.sync(fleet(position(0, 24)), T0, 0, always)
    markers.sync(fleet(position(1, 24.001)), T0, 0, always)
    markers.advance(500)
    markers.sync(fleet(position(2, 24.002)), T0, 500, always)
    expect(markers.get(1)?.glide?.from.lon).toBeCloseTo(24.0005, 9)
  })

  test('turns grey at 300 s and fades at 1800 s without any message', () => {
    const markers = new Markers()
    const still = fleet(position(0, 24))
    markers.sync(still, T0, 0, always)
    const look = (seconds: number) => {
      markers.sync(still, T0 + seconds * 1000, 0, always)
      const { badge, arrow, opacity } = markers.get(1)?.look ?? {}
      return [badge, arrow, opacity]
    }
    expect(look(59)).toEqual(['badge|#2563eb|plain|AA', 'arrow|#2563eb', 1])
    expect(look(60)).toEqual(['badge|#2563eb|late|AA', '', 1])
    expect(look(300)).toEqual(['badge|#66727f|plain|AA', '', 1])
    expect(look(1800)).toEqual(['badge|#66727f|plain|AA', '', 0.6])
    expect(markers.sync(still, T0 + 1801_000, 0, always)).toBeNull()
  })
})

describe('pacer', () => {
  test('few markers move with every frame, many with fewer', () => {
    const few = new Pacer()
    expect([0, 16, 32].map((time) => few.due(time, 100))).toEqual([true, true, true])
    const many = new Pacer()
    expect([0, 49, 50].map((time) => many.due(time, 101))).toEqual([true, false, true])
  })

  test('a machine at its limit draws less often', () => {
    const pacer = new Pacer()
    for (let time = 0; time <= 4000; time += 100) pacer.frame(time)
    expect(pacer.due(4000, 1)).toBe(true)
    expect(pacer.due(4150, 1)).toBe(false)
    expect(pacer.due(4200, 1)).toBe(true)
  })
})
