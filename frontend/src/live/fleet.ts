import type { Positions, Snapshot, Technician, Thresholds } from './types'

/**
 * All technicians and their newest positions. Immutable: a change makes a new Fleet in which
 * every untouched Technician is the same object, so views redraw only what changed.
 */
export interface Fleet {
  readonly technicians: ReadonlyMap<number, Technician>
  readonly thresholds: Thresholds
}

export interface FleetChange {
  readonly fleet: Fleet
  /** Technicians whose position moved on. */
  readonly changed: readonly number[]
  /** Ids that the last snapshot did not have: someone joined since. */
  readonly unknown: readonly number[]
}

/** A snapshot is the whole truth: it replaces whatever was known before. */
export function fleetFromSnapshot(snapshot: Snapshot): Fleet {
  return {
    technicians: new Map(snapshot.technicians.map((technician) => [technician.id, technician])),
    thresholds: snapshot.thresholds,
  }
}

/**
 * Applies changes. A position recorded no later than the one shown is ignored: messages may
 * arrive late or twice, and a marker never moves back.
 */
export function applyPositions(fleet: Fleet, message: Positions): FleetChange {
  const technicians = new Map(fleet.technicians)
  const changed = new Set<number>()
  const unknown = new Set<number>()
  for (const { technicianId, position } of message.positions) {
    const technician = technicians.get(technicianId)
    if (technician === undefined) {
      unknown.add(technicianId)
    } else if (
      technician.position === null ||
      position.recordedAt > technician.position.recordedAt
    ) {
      technicians.set(technicianId, { ...technician, position })
      changed.add(technicianId)
    }
  }
  return {
    fleet: changed.size > 0 ? { ...fleet, technicians } : fleet,
    changed: [...changed],
    unknown: [...unknown],
  }
}
