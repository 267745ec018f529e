import { describe, expect, test } from 'vitest'
import { ageSeconds, freshness } from '../src/live/freshness'
import type { Position } from '../src/live/types'

const T0 = Date.parse('2026-11-22T10:00:00.000Z')
const THRESHOLDS = { delayed: 60, stale: 300, lost: 1800 }
const FIX: Position = {
  lat: 60,
  lon: 24,
  accuracy: null,
  speed: null,
  heading: null,
  battery: null,
  recordedAt: T0,
}

describe('freshness', () => {
  test.each([
    [0, 'live'],
    [59, 'live'],
    [60, 'delayed'],
    [299, 'delayed'],
    [300, 'stale'],
    [1799, 'stale'],
    [1800, 'lost'],
    [86_400, 'lost'],
  ])('%i s after the fix it is %s', (seconds, expected) => {
    expect(freshness(FIX, T0 + seconds * 1000, THRESHOLDS)).toBe(expected)
  })

  test('a second counts when it is over', () => {
    expect(freshness(FIX, T0 + 59_999, THRESHOLDS)).toBe('live')
    expect(freshness(FIX, T0 + 60_000, THRESHOLDS)).toBe('delayed')
  })

  test('uses the thresholds it is given', () => {
    const strict = { delayed: 10, stale: 20, lost: 30 }
    const at = (seconds: number) => freshness(FIX, T0 + seconds * 1000, strict)
    expect([9, 10, 20, 30].map(at)).toEqual(['live', 'delayed', 'stale', 'lost'])
  })

  test('without a position it is none', () => {
    expect(freshness(null, T0, THRESHOLDS)).toBe('none')
  })

  test('a fix from the future is 0 s old, not negative', () => {
    expect(ageSeconds(T0 + 5000, T0)).toBe(0)
    expect(freshness({ ...FIX, recordedAt: T0 + 5000 }, T0, THRESHOLDS)).toBe('live')
  })
})
