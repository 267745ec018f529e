import type { Changes, Snapshot, Technician, Technicians, Thresholds } from './types'

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
  /** Technicians whose position moved on, or is no longer known. */
  readonly changed: readonly number[]
  /** Ids that the list of technicians does not have: someone joined or left since. */
  readonly unknown: readonly number[]
}

/** A snapshot is the whole truth: it replaces whatever was known before. */
export function fleetFromSnapshot(technicians: Technicians, snapshot: Snapshot): FleetChange {
  const fleet: Fleet = {
    technicians: new Map(
      technicians.technicians.map((person) => [
        person.id,
        { ...person, position: snapshot.positions.get(person.id) ?? null },
      ]),
    ),
    thresholds: technicians.thresholds,
  }
  return {
    fleet,
    changed: [...fleet.technicians.keys()],
    unknown: [...snapshot.positions.keys()].filter((id) => !fleet.technicians.has(id)),
  }
}

/** Applies changes. A position recorded before the one shown is ignored: no marker moves back. */
export function applyChanges(fleet: Fleet, changes: Changes): FleetChange {
  const technicians = new Map(fleet.technicians)
  const changed: number[] = []
  const unknown: number[] = []
  for (const [id, position] of changes.positions) {
    const technician = technicians.get(id)
    if (technician === undefined) {
      unknown.push(id)
    } else if (
      technician.position === null ||
      // Times are told to the microsecond and read to the millisecond: of equal ones the server
      // sends the later one last.
      position.recordedAt >= technician.position.recordedAt
    ) {
      technicians.set(id, { ...technician, position })
      changed.push(id)
    }
  }
  for (const id of changes.removed) {
    const technician = technicians.get(id)
    if (!technician?.position) continue
    technicians.set(id, { ...technician, position: null })
    changed.push(id)
  }
  return { fleet: changed.length > 0 ? { ...fleet, technicians } : fleet, changed, unknown }
}
