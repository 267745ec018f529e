import { asFields, asNumber, asString, optional } from '../live/fields'

/** What the server's template hands to the page (`json_script` with the id `page-data`). */
export interface PageData {
  company: { name: string; schema: string; timeZone: string }
  user: { name: string; email: string; role: string }
  mapStyleUrl: string
  /** Null: the light style serves both themes. */
  mapStyleDarkUrl: string | null
  mapAttribution: string | null
  cableUrl: string
  mapCenter: [number, number] | null
  mapZoom: number | null
}

function asCenter(value: unknown, path: string): [number, number] {
  const pair = Array.isArray(value) ? value : []
  return [asNumber(pair[0], `${path}[0]`, -180, 180), asNumber(pair[1], `${path}[1]`, -90, 90)]
}

/** Reads the page data. Throws FieldError naming the field that is missing or wrong. */
export function parsePageData(value: unknown): PageData {
  const page = asFields(value, 'page')
  const company = asFields(page.company, 'page.company')
  const user = asFields(page.user, 'page.user')
  return {
    company: {
      name: asString(company.name, 'page.company.name'),
      schema: asString(company.schema, 'page.company.schema'),
      timeZone: asString(company.time_zone, 'page.company.time_zone'),
    },
    user: {
      name: asString(user.name, 'page.user.name'),
      email: asString(user.email, 'page.user.email'),
      role: asString(user.role, 'page.user.role'),
    },
    mapStyleUrl: asString(page.map_style_url, 'page.map_style_url'),
    mapStyleDarkUrl: optional(page.map_style_dark_url, 'page.map_style_dark_url', asString),
    mapAttribution: optional(page.map_attribution, 'page.map_attribution', asString),
    cableUrl: asString(page.cable_url, 'page.cable_url'),
    mapCenter: optional(page.map_center, 'page.map_center', asCenter),
    mapZoom: optional(page.map_zoom, 'page.map_zoom', asNumber),
  }
}

export function readPageData(): PageData {
  return parsePageData(JSON.parse(document.getElementById('page-data')?.textContent ?? 'null'))
}
