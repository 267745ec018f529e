import { describe, expect, test } from 'vitest'
import { type Connection, nextConnection, reconnectDelay } from '../src/live/connection'

describe('connection', () => {
  test('is live only from a snapshot on, and again after a cut', () => {
    let connection: Connection = { status: 'connecting' }
    connection = nextConnection(connection, { type: 'snapshot' })
    expect(connection).toEqual({ status: 'live' })
    connection = nextConnection(connection, { type: 'lost', asOf: 42 })
    expect(connection).toEqual({ status: 'reconnecting', asOf: 42 })
    connection = nextConnection(connection, { type: 'snapshot' })
    expect(connection).toEqual({ status: 'live' })
  })

  test.each(['unauthorized', 'token_expired', 'session_expired'])(
    '%s means signed out, for good',
    (reason) => {
      const out = nextConnection({ status: 'live' }, { type: 'closed', reason })
      expect(out).toEqual({ status: 'signed-out' })
      expect(nextConnection(out, { type: 'lost', asOf: 1 })).toEqual({ status: 'signed-out' })
    },
  )

  test('any other end is a refusal with its reason', () => {
    expect(nextConnection({ status: 'live' }, { type: 'closed', reason: 'rejected' })).toEqual({
      status: 'refused',
      reason: 'rejected',
    })
  })
})

describe('reconnect delay', () => {
  test('starts below a second, doubles, and stays within 10 s', () => {
    const slowest = [0, 1, 2, 3, 4, 50].map((attempt) => reconnectDelay(attempt, () => 1))
    expect(slowest).toEqual([900, 1800, 3600, 7200, 10_000, 10_000])
  })

  test('is spread over most of its range', () => {
    expect(reconnectDelay(0, () => 0)).toBeCloseTo(270, 9)
    expect(reconnectDelay(9, () => 0)).toBeCloseTo(3000, 9)
  })
})
