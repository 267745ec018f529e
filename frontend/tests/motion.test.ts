import { describe, expect, test } from 'vitest'
import {
  distanceMetres,
  interpolateHeading,
  interpolateLon,
  MAX_GLIDE_MS,
  type Pose,
  planGlide,
  poseAt,
  wrapLon,
} from '../src/live/motion'

const at = (lon: number, lat: number, heading: number | null = null): Pose => ({
  lon,
  lat,
  heading,
})

describe('angles', () => {
  test('a longitude goes the short way over the antimeridian, both ways', () => {
    expect(interpolateLon(179, -179, 0.25)).toBe(179.5)
    expect(interpolateLon(179, -179, 0.75)).toBe(-179.5)
    expect(interpolateLon(-179, 179, 0.75)).toBe(179.5)
    expect(interpolateLon(10, 20, 0.5)).toBe(15)
  })

  test('wraps into [-180, 180)', () => {
    expect([180, 181, -181, 540, 0].map(wrapLon)).toEqual([-180, -179, 179, -180, 0])
  })

  test('a heading turns the short way round', () => {
    expect(interpolateHeading(350, 10, 0.5)).toBe(0)
    expect(interpolateHeading(10, 350, 0.75)).toBe(355)
    expect(interpolateHeading(90, 180, 0.5)).toBe(135)
  })
})

describe('distance', () => {
  test('one degree of latitude is 111.32 km, of longitude at 60° half of it', () => {
    expect(distanceMetres(at(0, 0), at(0, 1))).toBeCloseTo(111_320, 6)
    expect(distanceMetres(at(24, 60), at(25, 60))).toBeCloseTo(55_660, 0)
  })

  test('is short over the antimeridian', () => {
    expect(distanceMetres(at(179.999, 0), at(-179.999, 0))).toBeCloseTo(222.64, 1)
  })
})

describe('glide', () => {
  test('lasts as long as the fixes were apart, within bounds', () => {
    const duration = (gap: number) => planGlide(at(24, 60), at(24.001, 60), 0, gap)?.duration
    expect([100, 1000, 60_000].map(duration)).toEqual([250, 1000, MAX_GLIDE_MS])
  })

  test('does not invent a journey: no glide over more than 1 km, nor on the spot', () => {
    expect(planGlide(at(24, 60), at(24, 60.0089), 0, 1000)).not.toBeNull()
    expect(planGlide(at(24, 60), at(24, 60.0091), 0, 1000)).toBeNull()
    expect(planGlide(at(24, 60, 0), at(24, 60, 90), 0, 1000)).toBeNull()
  })

  test('is half-way at half time and exactly at the fix in the end', () => {
    const glide = {
      from: at(24, 60, 350),
      to: at(24.002, 60.002, 10),
      startedAt: 500,
      duration: 1000,
    }
    expect(poseAt(glide, 500)).toEqual({ pose: at(24, 60, 350), done: false })
    const half = poseAt(glide, 1000)
    expect(half.done).toBe(false)
    expect(half.pose.lon).toBeCloseTo(24.001, 9)
    expect(half.pose.lat).toBeCloseTo(60.001, 9)
    expect(half.pose.heading).toBe(0)
    expect(poseAt(glide, 1500)).toEqual({ pose: glide.to, done: true })
    expect(poseAt(glide, 9999)).toEqual({ pose: glide.to, done: true })
  })

  test('before its start it is where it began', () => {
    const glide = { from: at(24, 60, 0), to: at(24.002, 60, 0), startedAt: 500, duration: 1000 }
    expect(poseAt(glide, 400).pose.lon).toBe(24)
  })

  test('takes the new heading at once when the old one is unknown', () => {
    const glide = { from: at(24, 60), to: at(24.002, 60, 90), startedAt: 0, duration: 1000 }
    expect(poseAt(glide, 10).pose.heading).toBe(90)
  })
})
