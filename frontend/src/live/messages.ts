import {
  asArray,
  asFields,
  asId,
  asIdKey,
  asNumber,
  asString,
  asTime,
  type Fields,
  optional,
} from './fields'
import type { MapMessage, Person, Position, Thresholds } from './types'

const HEX_COLOR = /^#[0-9a-f]{6}$/i
const NEUTRAL_COLOR = '#52606d'

/** Reads a position as the map stream and the REST API send it. Throws FieldError. */
export function parsePosition(value: unknown, path: string): Position {
  const fields = asFields(value, path)
  return {
    lat: asNumber(fields.lat, `${path}.lat`, -90, 90),
    lon: asNumber(fields.lon, `${path}.lon`, -180, 180),
    accuracy: optional(fields.accuracy, `${path}.accuracy`, asNumber),
    speed: optional(fields.speed, `${path}.speed`, asNumber),
    heading: optional(fields.heading, `${path}.heading`, asNumber),
    battery: optional(fields.battery, `${path}.battery`, asNumber),
    recordedAt: asTime(fields.recorded_at, `${path}.recorded_at`),
  }
}

function parsePerson(value: unknown, path: string): Person {
  const fields = asFields(value, path)
  const color = asString(fields.color, `${path}.color`)
  return {
    id: asId(fields.id, `${path}.id`),
    name: asString(fields.name, `${path}.name`),
    initials: asString(fields.initials, `${path}.initials`).slice(0, 3),
    color: HEX_COLOR.test(color) ? color.toLowerCase() : NEUTRAL_COLOR,
  }
}

function parseThresholds(value: unknown): Thresholds {
  const fields = asFields(value, 'thresholds')
  const delayed = asNumber(fields.delayed, 'thresholds.delayed', 0)
  const stale = asNumber(fields.stale, 'thresholds.stale', delayed)
  return { delayed, stale, lost: asNumber(fields.lost, 'thresholds.lost', stale) }
}

function parsePositions(value: unknown): Map<number, Position> {
  return new Map(
    Object.entries(asFields(value, 'items')).map(([key, item]) => [
      asIdKey(key, 'items'),
      parsePosition(item, `items.${key}`),
    ]),
  )
}

/**
 * Checks one message of the map stream. Null for a type that this page does not know, so that a
 * newer server may send more. Throws FieldError when a known message is malformed.
 */
export function parseMapMessage(value: unknown): MapMessage | null {
  const fields: Fields = asFields(value, 'message')
  switch (fields.type) {
    case 'technicians':
      return {
        type: 'technicians',
        thresholds: parseThresholds(fields.thresholds),
        technicians: asArray(fields.technicians, 'technicians').map((item, index) =>
          parsePerson(item, `technicians[${index}]`),
        ),
      }
    case 'snapshot':
      return {
        type: 'snapshot',
        serverTime: asTime(fields.server_time, 'server_time'),
        positions: parsePositions(fields.items),
      }
    case 'changes':
      return {
        type: 'changes',
        serverTime: asTime(fields.server_time, 'server_time'),
        positions: parsePositions(fields.items),
        removed: (optional(fields.removed, 'removed', asArray) ?? []).map((key, index) =>
          asIdKey(key, `removed[${index}]`),
        ),
      }
    default:
      return null
  }
}
