import { describe, expect, test } from 'vitest'
import { parseMapMessage } from '../src/live/messages'

const POSITION = {
  lat: 60.17,
  lon: 24.94,
  accuracy: 5,
  speed: 12.1,
  heading: 180,
  battery: 0.8,
  recorded_at: '2026-11-22T10:00:00.000Z',
  received_at: '2026-11-22T10:00:01.000Z',
}
const SNAPSHOT = {
  type: 'snapshot',
  server_time: '2026-11-22T10:00:02.000Z',
  thresholds: { delayed: 60, stale: 300, lost: 1800 },
  technicians: [
    { id: 1, name: 'Ada Fox', initials: 'AF', color: '#2563EB', position: POSITION },
    { id: 2, name: 'Ben Okafor', initials: 'BO', color: 'teal', position: null },
  ],
}

describe('map messages', () => {
  test('reads a snapshot', () => {
    expect(parseMapMessage(SNAPSHOT)).toEqual({
      type: 'snapshot',
      serverTime: Date.parse('2026-11-22T10:00:02.000Z'),
      thresholds: { delayed: 60, stale: 300, lost: 1800 },
      technicians: [
        {
          id: 1,
          name: 'Ada Fox',
          initials: 'AF',
          color: '#2563eb',
          position: {
            lat: 60.17,
            lon: 24.94,
            accuracy: 5,
            speed: 12.1,
            heading: 180,
            battery: 0.8,
            recordedAt: Date.parse('2026-11-22T10:00:00.000Z'),
          },
        },
        { id: 2, name: 'Ben Okafor', initials: 'BO', color: '#52606d', position: null },
      ],
    })
  })

  test('reads changes whose unknown values are null or absent', () => {
    const { lat, lon, recorded_at } = POSITION
    expect(
      parseMapMessage({
        type: 'positions',
        server_time: '2026-11-22T10:00:02Z',
        positions: [{ technician_id: 1, lat, lon, recorded_at, speed: null }],
      }),
    ).toEqual({
      type: 'positions',
      serverTime: Date.parse('2026-11-22T10:00:02Z'),
      positions: [
        {
          technicianId: 1,
          position: {
            lat: 60.17,
            lon: 24.94,
            accuracy: null,
            speed: null,
            heading: null,
            battery: null,
            recordedAt: Date.parse('2026-11-22T10:00:00.000Z'),
          },
        },
      ],
    })
  })

  test('leaves types of newer servers alone', () => {
    expect(parseMapMessage({ type: 'weather' })).toBeNull()
  })

  test.each([
    ['a string', 'hello', 'message is "hello", should be an object'],
    [
      'a latitude of 91',
      {
        ...SNAPSHOT,
        technicians: [{ ...SNAPSHOT.technicians[0], position: { ...POSITION, lat: 91 } }],
      },
      'technicians[0].position.lat is 91, should be a number from -90 to 90',
    ],
    [
      'no time',
      { type: 'positions', positions: [] },
      'server_time is missing, should be an ISO 8601 time',
    ],
    [
      'thresholds out of order',
      { ...SNAPSHOT, thresholds: { delayed: 60, stale: 30, lost: 1800 } },
      'thresholds.stale is 30, should be a number from 60 to Infinity',
    ],
    [
      'an id that is no number',
      { type: 'positions', server_time: SNAPSHOT.server_time, positions: [POSITION] },
      'positions[0].technician_id is missing, should be an id',
    ],
  ])('refuses %s and names the field', (_, message, error) => {
    expect(() => parseMapMessage(message)).toThrow(error)
  })
})
