import { describe, expect, test } from 'vitest'
import { applyPositions, fleetFromSnapshot } from '../src/live/fleet'
import type { Position, Positions, Snapshot } from '../src/live/types'

const T0 = Date.parse('2026-11-22T10:00:00.000Z')

function position(recordedAt: number, lat = 60): Position {
  return { lat, lon: 24, accuracy: 5, speed: 3, heading: 90, battery: 0.8, recordedAt }
}

function snapshot(...positions: (Position | null)[]): Snapshot {
  return {
    type: 'snapshot',
    serverTime: T0,
    thresholds: { delayed: 60, stale: 300, lost: 1800 },
    technicians: positions.map((each, index) => ({
      id: index + 1,
      name: `Technician ${index + 1}`,
      initials: `T${index + 1}`,
      color: '#2563eb',
      position: each,
    })),
  }
}

function changes(...positions: [number, Position][]): Positions {
  return {
    type: 'positions',
    serverTime: T0,
    positions: positions.map(([technicianId, each]) => ({ technicianId, position: each })),
  }
}

describe('fleet', () => {
  test('applies a newer position and leaves the others the same objects', () => {
    const fleet = fleetFromSnapshot(snapshot(position(T0), position(T0)))
    const change = applyPositions(fleet, changes([1, position(T0 + 1, 61)]))
    expect(change.changed).toEqual([1])
    expect(change.fleet.technicians.get(1)?.position).toEqual(position(T0 + 1, 61))
    expect(change.fleet.technicians.get(2)).toBe(fleet.technicians.get(2))
    expect(fleet.technicians.get(1)?.position).toEqual(position(T0))
  })

  test('never moves back: an older or equally old position changes nothing', () => {
    const fleet = fleetFromSnapshot(snapshot(position(T0)))
    for (const recordedAt of [T0 - 1, T0]) {
      const change = applyPositions(fleet, changes([1, position(recordedAt, 61)]))
      expect(change).toEqual({ fleet, changed: [], unknown: [] })
      expect(change.fleet).toBe(fleet)
    }
  })

  test('keeps the newest of several positions in one message, in any order', () => {
    const fleet = fleetFromSnapshot(snapshot(position(T0)))
    const change = applyPositions(
      fleet,
      changes([1, position(T0 + 2, 62)], [1, position(T0 + 3, 63)], [1, position(T0 + 1, 61)]),
    )
    expect(change.changed).toEqual([1])
    expect(change.fleet.technicians.get(1)?.position).toEqual(position(T0 + 3, 63))
  })

  test('takes a first position whatever its age', () => {
    const fleet = fleetFromSnapshot(snapshot(null))
    const change = applyPositions(fleet, changes([1, position(0)]))
    expect(change.fleet.technicians.get(1)?.position).toEqual(position(0))
  })

  test('names technicians whom the snapshot did not have, once each', () => {
    const fleet = fleetFromSnapshot(snapshot(position(T0)))
    const change = applyPositions(fleet, changes([7, position(T0)], [7, position(T0 + 1)]))
    expect(change).toEqual({ fleet, changed: [], unknown: [7] })
  })

  test('a snapshot replaces everything, also by older positions and fewer technicians', () => {
    const before = fleetFromSnapshot(snapshot(position(T0 + 9), position(T0 + 9)))
    const after = fleetFromSnapshot(snapshot(position(T0)))
    expect([...before.technicians.keys()]).toEqual([1, 2])
    expect([...after.technicians.keys()]).toEqual([1])
    expect(after.technicians.get(1)?.position?.recordedAt).toBe(T0)
  })
})
