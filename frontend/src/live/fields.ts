/** Reads typed fields from JSON that came from outside. */

export class FieldError extends Error {
  override name = 'FieldError'
}

export type Fields = Record<string, unknown>

function wrong(path: string, value: unknown, expected: string): FieldError {
  return new FieldError(`${path} is ${JSON.stringify(value) ?? 'missing'}, should be ${expected}`)
}

export function asFields(value: unknown, path: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong(path, value, 'an object')
  }
  return value as Fields
}

export function asArray(value: unknown, path: string): unknown[] {
  if (!Array.isArray(value)) throw wrong(path, value, 'an array')
  return value
}

export function asString(value: unknown, path: string): string {
  if (typeof value !== 'string') throw wrong(path, value, 'a string')
  return value
}

/** A finite number within [min, max]. */
export function asNumber(
  value: unknown,
  path: string,
  min = Number.NEGATIVE_INFINITY,
  max = Number.POSITIVE_INFINITY,
): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < min || value > max) {
    throw wrong(path, value, `a number from ${min} to ${max}`)
  }
  return value
}

export function asId(value: unknown, path: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw wrong(path, value, 'an id')
  return value
}

/** An id in the place of a text: a key of an object. */
export function asIdKey(value: unknown, path: string): number {
  if (typeof value !== 'string' || !/^\d+$/.test(value)) throw wrong(path, value, 'an id as text')
  return asId(Number(value), path)
}

/** Null when absent, else what `read` makes of it. */
export function optional<T>(
  value: unknown,
  path: string,
  read: (value: unknown, path: string) => T,
): T | null {
  return value === null || value === undefined ? null : read(value, path)
}

/** An ISO 8601 time as milliseconds since the epoch. */
export function asTime(value: unknown, path: string): number {
  const time = typeof value === 'string' ? Date.parse(value) : Number.NaN
  if (Number.isNaN(time)) throw wrong(path, value, 'an ISO 8601 time')
  return time
}
