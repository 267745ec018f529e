import type { Fleet } from '../live/fleet'
import { formatAge, formatSpeed } from '../live/format'
import { ageSeconds, FRESHNESS_LABELS, type Freshness, freshness } from '../live/freshness'

/** One line of the list, ready to be shown. */
export interface Row {
  id: number
  name: string
  initials: string
  color: string
  freshness: Freshness
  label: string
  /** Empty without a position. */
  age: string
  /** Empty while standing or when the position is too old to say. */
  speed: string
}

const byName = new Intl.Collator(undefined, { sensitivity: 'base', numeric: true })

/** All technicians by name (then id), whatever their state: a row never jumps. */
export function makeRows(fleet: Fleet, now: number, locale: string): Row[] {
  const rows = [...fleet.technicians.values()].map((technician): Row => {
    const { position } = technician
    const fresh = freshness(position, now, fleet.thresholds)
    return {
      id: technician.id,
      name: technician.name,
      initials: technician.initials,
      color: technician.color,
      freshness: fresh,
      label: FRESHNESS_LABELS[fresh],
      age: position ? formatAge(ageSeconds(position.recordedAt, now)) : '',
      speed: fresh === 'live' ? (formatSpeed(position?.speed ?? null, locale) ?? '') : '',
    }
  })
  return rows.sort((a, b) => byName.compare(a.name, b.name) || a.id - b.id)
}

const fold = (text: string): string => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()

/** Rows in which every word of the filter occurs: in the name, the initials or the state. */
export function filterRows(rows: Row[], filter: string): Row[] {
  const words = fold(filter).split(/\s+/).filter(Boolean)
  if (words.length === 0) return rows
  return rows.filter((row) => {
    const text = fold(`${row.name} ${row.initials} ${row.label}`)
    return words.every((word) => text.includes(word))
  })
}

/** How many are in each state, as one line: `9 live · 1 stale · 1 no fix`. */
export function summarise(rows: Row[]): string {
  const order: Freshness[] = ['live', 'delayed', 'stale', 'lost', 'none']
  return order
    .map((state) => [rows.filter((row) => row.freshness === state).length, state] as const)
    .filter(([count]) => count > 0)
    .map(([count, state]) => `${count} ${state === 'none' ? 'no fix' : state}`)
    .join(' · ')
}
