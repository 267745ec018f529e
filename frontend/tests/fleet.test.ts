import { describe, expect, test } from 'vitest'
import { applyChanges, type Fleet, fleetFromSnapshot } from '../src/live/fleet'
import type { Changes, Position, Snapshot, Technicians } from '../src/live/types'

const T0 = Date.parse('2026-11-22T10:00:00.000Z')

function position(recordedAt: number, lat = 60): Position {
  return { lat, lon: 24, accuracy: 5, speed: 3, heading: 90, battery: 0.8, recordedAt }
}

function technicians(count: number): Technicians {
  return {
    type: 'technicians',
    thresholds: { delayed: 60, stale: 300, lost: 1800 },
    technicians: Array.from({ length: count }, (_, index) => ({
      id: index + 1,
      name: `Technician ${index + 1}`,
      initials: `T${index + 1}`,
      color: '#2563eb',
    })),
  }
}

function snapshot(...positions: [number, Position][]): Snapshot {
  return { type: 'snapshot', serverTime: T0, positions: new Map(positions) }
}

/** Technicians 1, 2, … with these positions. */
function fleetWith(...positions: (Position | null)[]): Fleet {
  const placed = positions.flatMap((each, index): [number, Position][] =>
    each === null ? [] : [[index + 1, each]],
  )
  return fleetFromSnapshot(technicians(positions.length), snapshot(...placed)).fleet
}

function changes(positions: [number, Position][], removed: number[] = []): Changes {
  return { type: 'changes', serverTime: T0, positions: new Map(positions), removed }
}

describe('fleet', () => {
  test('a snapshot places those whom it names, and the others nowhere', () => {
    const change = fleetFromSnapshot(technicians(2), snapshot([2, position(T0)]))
    expect(change.fleet.technicians).toEqual(
      new Map([
        [1, { id: 1, name: 'Technician 1', initials: 'T1', color: '#2563eb', position: null }],
        [
          2,
          { id: 2, name: 'Technician 2', initials: 'T2', color: '#2563eb', position: position(T0) },
        ],
      ]),
    )
    expect(change.fleet.thresholds).toEqual({ delayed: 60, stale: 300, lost: 1800 })
    expect([change.changed, change.unknown]).toEqual([[1, 2], []])
  })

  test('a snapshot replaces everything, also by older positions and fewer technicians', () => {
    const before = fleetWith(position(T0 + 9), position(T0 + 9))
    const after = fleetFromSnapshot(technicians(1), snapshot([1, position(T0)])).fleet
    expect([...before.technicians.keys()]).toEqual([1, 2])
    expect([...after.technicians.keys()]).toEqual([1])
    expect(after.technicians.get(1)?.position?.recordedAt).toBe(T0)
  })

  test('a snapshot names those whom the technicians lack', () => {
    const change = fleetFromSnapshot(technicians(1), snapshot([7, position(T0)], [1, position(T0)]))
    expect(change.unknown).toEqual([7])
    expect([...change.fleet.technicians.keys()]).toEqual([1])
  })

  test('applies a newer position and leaves the others the same objects', () => {
    const fleet = fleetWith(position(T0), position(T0))
    const change = applyChanges(fleet, changes([[1, position(T0 + 1, 61)]]))
    expect(change.changed).toEqual([1])
    expect(change.fleet.technicians.get(1)?.position).toEqual(position(T0 + 1, 61))
    expect(change.fleet.technicians.get(2)).toBe(fleet.technicians.get(2))
    expect(fleet.technicians.get(1)?.position).toEqual(position(T0))
  })

  test('never moves back: an older position changes nothing', () => {
    const fleet = fleetWith(position(T0))
    const change = applyChanges(fleet, changes([[1, position(T0 - 1, 61)]]))
    expect(change).toEqual({ fleet, changed: [], unknown: [] })
    expect(change.fleet).toBe(fleet)
  })

  test('of two positions of one millisecond the later sent is the newer', () => {
    const fleet = fleetWith(position(T0))
    const change = applyChanges(fleet, changes([[1, position(T0, 61)]]))
    expect(change.fleet.technicians.get(1)?.position).toEqual(position(T0, 61))
  })

  test('takes a first position whatever its age', () => {
    const change = applyChanges(fleetWith(null), changes([[1, position(0)]]))
    expect(change.fleet.technicians.get(1)?.position).toEqual(position(0))
  })

  test('who is removed stays, without a position', () => {
    const fleet = fleetWith(position(T0), position(T0), null)
    const change = applyChanges(fleet, changes([[2, position(T0 + 1)]], [1, 3, 9]))
    expect(change.changed).toEqual([2, 1])
    expect(change.unknown).toEqual([])
    expect([...change.fleet.technicians.values()].map(({ position }) => position)).toEqual([
      null,
      position(T0 + 1),
      null,
    ])
    expect(change.fleet.technicians.get(3)).toBe(fleet.technicians.get(3))
  })

  test('names technicians whom the list lacks', () => {
    const fleet = fleetWith(position(T0))
    const change = applyChanges(fleet, changes([[7, position(T0)]]))
    expect(change).toEqual({ fleet, changed: [], unknown: [7] })
    expect(change.fleet).toBe(fleet)
  })
})
