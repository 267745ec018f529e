import { expect, test } from 'vitest'
import { parsePageData } from '../src/board/pageData'
import { selectionInUrl } from '../src/board/useSelection'

const PAGE = {
  company: { name: 'Acme Plumbing', schema: 'acme', time_zone: 'America/New_York' },
  user: { name: 'Dana Petrov', email: 'dispatcher@acme.test', role: 'dispatcher' },
  map_style_url: '/static/basemap/style.json',
  map_style_dark_url: null,
  cable_url: '/cable',
  map_center: [24.94, 60.17],
  map_zoom: 14,
}

test('reads the page data', () => {
  expect(parsePageData(PAGE)).toEqual({
    company: { name: 'Acme Plumbing', schema: 'acme', timeZone: 'America/New_York' },
    user: { name: 'Dana Petrov', email: 'dispatcher@acme.test', role: 'dispatcher' },
    mapStyleUrl: '/static/basemap/style.json',
    mapStyleDarkUrl: null,
    mapAttribution: null,
    cableUrl: '/cable',
    mapCenter: [24.94, 60.17],
    mapZoom: 14,
  })
})

test('names what is missing or wrong', () => {
  expect(() => parsePageData(null)).toThrow('page is null, should be an object')
  expect(() => parsePageData({ ...PAGE, user: {} })).toThrow('page.user.name is missing')
  expect(() => parsePageData({ ...PAGE, map_center: [200, 0] })).toThrow(
    'page.map_center[0] is 200, should be a number from -180 to 180',
  )
})

test('the selection in the address is an id or nothing', () => {
  expect(selectionInUrl('?technician=12&x=1')).toBe(12)
  expect(selectionInUrl('?technician=-1')).toBeNull()
  expect(selectionInUrl('?technician=1e3')).toBeNull()
  expect(selectionInUrl('')).toBeNull()
})
