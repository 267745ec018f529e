import { expect, test } from 'vitest'
import { filterRows, makeRows, summarise } from '../src/board/rows'
import type { Fleet } from '../src/live/fleet'
import type { Position, Technician } from '../src/live/types'

const T0 = Date.parse('2026-11-22T10:00:00.000Z')

function technician(id: number, name: string, age: number | null): Technician {
  const position: Position | null =
    age === null
      ? null
      : {
          lat: 60,
          lon: 24,
          accuracy: null,
          speed: 10,
          heading: null,
          battery: null,
          recordedAt: T0 - age * 1000,
        }
  return { id, name, initials: name.slice(0, 2).toUpperCase(), color: '#2563eb', position }
}

const FLEET: Fleet = {
  technicians: new Map(
    [
      technician(1, 'Zoë', 5),
      technician(2, 'élise', 400),
      technician(3, 'Ben', 90),
      technician(4, 'Adam', null),
      technician(5, 'Ben', 9000),
    ].map((each) => [each.id, each]),
  ),
  thresholds: { delayed: 60, stale: 300, lost: 1800 },
}
const ROWS = makeRows(FLEET, T0, 'fi-FI')

test('rows are sorted by name and id, and say state, age and speed', () => {
  expect(ROWS.map(({ id, label, age, speed }) => [id, label, age, speed])).toEqual([
    [4, 'No position yet', '', ''],
    [3, 'Delayed', '1 min ago', ''],
    [5, 'Lost', '2 h 30 min ago', ''],
    [2, 'Stale', '6 min ago', ''],
    [1, 'Live', '5 s ago', '36 km/h'],
  ])
})

test('another company’s thresholds make other states of the same ages', () => {
  const strict = { ...FLEET, thresholds: { delayed: 5, stale: 80, lost: 100 } }
  const states = (fleet: Fleet) =>
    makeRows(fleet, T0, 'fi-FI').map((row) => [row.id, row.freshness])
  expect(states(FLEET)).toEqual([
    [4, 'none'],
    [3, 'delayed'],
    [5, 'lost'],
    [2, 'stale'],
    [1, 'live'],
  ])
  expect(states(strict)).toEqual([
    [4, 'none'],
    [3, 'stale'],
    [5, 'lost'],
    [2, 'lost'],
    [1, 'delayed'],
  ])
})

test('the order stays when states change', () => {
  const later = makeRows(FLEET, T0 + 3_600_000, 'fi-FI')
  expect(later.map((row) => row.id)).toEqual(ROWS.map((row) => row.id))
})

test('the filter finds names without accents, initials and states', () => {
  const found = (filter: string) => filterRows(ROWS, filter).map((row) => row.id)
  expect(found('elise')).toEqual([2])
  expect(found('ZOE')).toEqual([1])
  expect(found('ben lost')).toEqual([5])
  expect(found('live')).toEqual([1])
  expect(found('  ')).toEqual([4, 3, 5, 2, 1])
  expect(found('nobody')).toEqual([])
})

test('the summary counts the states that occur', () => {
  expect(summarise(ROWS)).toBe('1 live · 1 delayed · 1 stale · 1 lost · 1 no fix')
  expect(summarise([])).toBe('')
})
