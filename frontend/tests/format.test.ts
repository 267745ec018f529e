import { expect, test } from 'vitest'
import { formatAge, formatClock, formatSpeed } from '../src/live/format'

test.each([
  [0, 'now'],
  [1, '1 s ago'],
  [59, '59 s ago'],
  [60, '1 min ago'],
  [3599, '59 min ago'],
  [3600, '1 h 00 min ago'],
  [3900, '1 h 05 min ago'],
  [86_399, '23 h 59 min ago'],
  [86_400, '1 day ago'],
  [172_800, '2 days ago'],
])('an age of %i s reads “%s”', (seconds, expected) => {
  expect(formatAge(seconds)).toBe(expected)
})

test('speed follows the locale’s road signs', () => {
  expect(formatSpeed(13.4112, 'en-US')).toBe('30 mph')
  expect(formatSpeed(13.4112, 'en-GB')).toBe('30 mph')
  expect(formatSpeed(13.89, 'fi-FI')).toBe('50 km/h')
  expect(formatSpeed(13.89, 'fr')).toBe('50 km/h')
})

test('standing still or unknown has no speed', () => {
  expect(formatSpeed(0.79, 'en-US')).toBeNull()
  expect(formatSpeed(0.8, 'fr')).toBe('3 km/h')
  expect(formatSpeed(null, 'en-US')).toBeNull()
})

test('the clock is the company’s', () => {
  const time = Date.parse('2026-11-22T10:42:00Z')
  expect(formatClock(time, 'Europe/Helsinki')).toBe('12:42')
  expect(formatClock(time, 'America/New_York')).toBe('05:42')
})
