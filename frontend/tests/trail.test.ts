import { afterEach, describe, expect, test, vi } from 'vitest'
import { fetchTrail, mergeTrail, trailLines } from '../src/live/trail'
import type { Position } from '../src/live/types'

const T0 = Date.parse('2026-11-22T10:00:00.000Z')

function fix(seconds: number, lon = 24): Position {
  return {
    lat: 60,
    lon,
    accuracy: null,
    speed: null,
    heading: null,
    battery: null,
    recordedAt: T0 + seconds * 1000,
  }
}

const times = (trail: readonly Position[]) => trail.map((each) => (each.recordedAt - T0) / 1000)

describe('merging', () => {
  test('sorts by time, drops twins and what is too old', () => {
    expect(times(mergeTrail([fix(10), fix(30)], [fix(20), fix(30), fix(5)], T0 + 10_000))).toEqual([
      10, 20, 30,
    ])
  })

  test('appends one newer fix and lets old ones fall off', () => {
    expect(times(mergeTrail([fix(0), fix(10)], [fix(20)], T0))).toEqual([0, 10, 20])
    expect(times(mergeTrail([fix(0), fix(10)], [fix(20)], T0 + 5000))).toEqual([10, 20])
  })
})

describe('lines', () => {
  test('breaks where time or distance leaves a gap, and bridges it', () => {
    const trail = [fix(0, 24), fix(10, 24.001), fix(400, 24.002), fix(410, 24.003), fix(420, 24.2)]
    expect(trailLines(trail)).toEqual({
      driven: [
        [
          [24, 60],
          [24.001, 60],
        ],
        [
          [24.002, 60],
          [24.003, 60],
        ],
      ],
      gaps: [
        [
          [24.001, 60],
          [24.002, 60],
        ],
        [
          [24.003, 60],
          [24.2, 60],
        ],
      ],
    })
  })

  test('five minutes apart is still one way', () => {
    expect(trailLines([fix(0), fix(300)]).gaps).toEqual([])
    expect(trailLines([fix(0), fix(301)]).gaps).toHaveLength(1)
  })

  test('one fix makes no line', () => {
    expect(trailLines([fix(0)])).toEqual({ driven: [], gaps: [] })
  })
})

describe('loading', () => {
  afterEach(() => vi.unstubAllGlobals())

  const body = (seconds: number[], next: string | null) => ({
    results: seconds.map((each) => ({
      lat: 60,
      lon: 24,
      recorded_at: new Date(T0 + each * 1000).toISOString(),
    })),
    next,
  })

  test('follows the pages to the newest fix', async () => {
    const asked: string[] = []
    const pages = [body([0, 1], 'p2'), body([2], null)]
    vi.stubGlobal('fetch', async (url: string) => {
      asked.push(url)
      return Response.json(pages[asked.length - 1])
    })
    const trail = await fetchTrail(7, T0, new AbortController().signal)
    expect(times(trail)).toEqual([0, 1, 2])
    const first = '/api/v1/fixes/?technician=7&since=2026-11-22T10%3A00%3A00.000Z&limit=1000'
    expect(asked).toEqual([first, `${first}&after=p2`])
  })

  test('leaves out what counts for nothing', async () => {
    const { results } = body([0, 1, 2], null)
    const [first, second, third] = results
    const judged = [{ ...first, reason: null }, { ...second, reason: 'outlier' }, third]
    vi.stubGlobal('fetch', async () => Response.json({ results: judged, next: null }))
    const trail = await fetchTrail(7, T0, new AbortController().signal)
    expect(times(trail)).toEqual([0, 2])
  })

  test('stops after ten pages', async () => {
    const fetch = vi.fn(async () => Response.json(body([0], 'more')))
    vi.stubGlobal('fetch', fetch)
    await fetchTrail(7, T0, new AbortController().signal)
    expect(fetch).toHaveBeenCalledTimes(10)
  })

  test('says what went wrong', async () => {
    vi.stubGlobal('fetch', async () => new Response('', { status: 403 }))
    const { signal } = new AbortController()
    await expect(fetchTrail(7, T0, signal)).rejects.toThrow('The server answered 403')
    vi.stubGlobal('fetch', async () => Response.json({ results: [{ lat: 91 }], next: null }))
    await expect(fetchTrail(7, T0, signal)).rejects.toThrow('trail.results[0].lat is 91')
  })
})
