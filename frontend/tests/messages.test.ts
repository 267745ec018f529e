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
const TECHNICIANS = {
  type: 'technicians',
  thresholds: { delayed: 60, stale: 300, lost: 1800 },
  technicians: [
    { id: 1, name: 'Ada Fox', initials: 'AF', color: '#2563EB' },
    { id: 2, name: 'Ben Okafor', initials: 'BO', color: 'teal' },
  ],
}
const SNAPSHOT = {
  type: 'snapshot',
  server_time: '2026-11-22T10:00:02.000Z',
  items: { '1': POSITION },
}

describe('map messages', () => {
  test('reads who is on the map', () => {
    expect(parseMapMessage(TECHNICIANS)).toEqual({
      type: 'technicians',
      thresholds: { delayed: 60, stale: 300, lost: 1800 },
      technicians: [
        { id: 1, name: 'Ada Fox', initials: 'AF', color: '#2563eb' },
        { id: 2, name: 'Ben Okafor', initials: 'BO', color: '#52606d' },
      ],
    })
  })

  test('reads a snapshot', () => {
    expect(parseMapMessage(SNAPSHOT)).toEqual({
      type: 'snapshot',
      serverTime: Date.parse('2026-11-22T10:00:02.000Z'),
      positions: new Map([
        [
          1,
          {
            lat: 60.17,
            lon: 24.94,
            accuracy: 5,
            speed: 12.1,
            heading: 180,
            battery: 0.8,
            recordedAt: Date.parse('2026-11-22T10:00:00.000Z'),
          },
        ],
      ]),
    })
  })

  test('reads changes whose unknown values are null or absent', () => {
    const { lat, lon, recorded_at } = POSITION
    expect(
      parseMapMessage({
        type: 'changes',
        server_time: '2026-11-22T10:00:02Z',
        items: { '12': { lat, lon, recorded_at, speed: null } },
      }),
    ).toEqual({
      type: 'changes',
      serverTime: Date.parse('2026-11-22T10:00:02Z'),
      positions: new Map([
        [
          12,
          {
            lat: 60.17,
            lon: 24.94,
            accuracy: null,
            speed: null,
            heading: null,
            battery: null,
            recordedAt: Date.parse('2026-11-22T10:00:00.000Z'),
          },
        ],
      ]),
      removed: [],
    })
  })

  test('reads whose positions are no longer known', () => {
    const { server_time } = SNAPSHOT
    expect(
      parseMapMessage({ type: 'changes', server_time, items: {}, removed: ['7', '12'] }),
    ).toEqual({
      type: 'changes',
      serverTime: Date.parse(server_time),
      positions: new Map(),
      removed: [7, 12],
    })
  })

  test('leaves types of newer servers alone', () => {
    expect(parseMapMessage({ type: 'weather' })).toBeNull()
  })

  test.each([
    ['a string', 'hello', 'message is "hello", should be an object'],
    [
      'a latitude of 91',
      { ...SNAPSHOT, items: { '12': { ...POSITION, lat: 91 } } },
      'items.12.lat is 91, should be a number from -90 to 90',
    ],
    [
      'no time',
      { type: 'changes', items: {} },
      'server_time is missing, should be an ISO 8601 time',
    ],
    [
      'thresholds out of order',
      { ...TECHNICIANS, thresholds: { delayed: 60, stale: 30, lost: 1800 } },
      'thresholds.stale is 30, should be a number from 60 to Infinity',
    ],
    [
      'a technician without an id',
      { ...TECHNICIANS, technicians: [{ ...TECHNICIANS.technicians[0], id: undefined }] },
      'technicians[0].id is missing, should be an id',
    ],
    ['no items', { ...SNAPSHOT, items: undefined }, 'items is missing, should be an object'],
    [
      'a key that is no id',
      { ...SNAPSHOT, items: { Ada: POSITION } },
      'items is "Ada", should be an id as text',
    ],
    [
      'a removed id that is no text',
      { type: 'changes', server_time: SNAPSHOT.server_time, items: {}, removed: ['7', 7] },
      'removed[1] is 7, should be an id as text',
    ],
  ])('refuses %s and names the field', (_, message, error) => {
    expect(() => parseMapMessage(message)).toThrow(error)
  })
})
