const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const MPH_PER_MPS = 2.236936
const KMH_PER_MPS = 3.6
/** Below walking pace a GPS speed is noise. */
export const MOVING_MPS = 0.8
/** Regions whose road signs are in miles per hour. */
const MILE_REGIONS = new Set(['US', 'GB', 'LR', 'MM'])

/** An age to read at a glance: `now`, `12 s ago`, `3 min ago`, `1 h 05 min ago`, `2 days ago`. */
export function formatAge(seconds: number): string {
  if (seconds < 1) return 'now'
  if (seconds < MINUTE) return `${seconds} s ago`
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ago`
  if (seconds < DAY) {
    const minutes = String(Math.floor((seconds % HOUR) / MINUTE)).padStart(2, '0')
    return `${Math.floor(seconds / HOUR)} h ${minutes} min ago`
  }
  const days = Math.floor(seconds / DAY)
  return days === 1 ? '1 day ago' : `${days} days ago`
}

/** Whether a locale's road signs count in miles. */
export function usesMiles(locale: string): boolean {
  return MILE_REGIONS.has(new Intl.Locale(locale).region ?? '')
}

/** A speed in the unit of the locale's road signs, or null while standing or unknown. */
export function formatSpeed(metresPerSecond: number | null, locale: string): string | null {
  if (metresPerSecond === null || metresPerSecond < MOVING_MPS) return null
  return usesMiles(locale)
    ? `${Math.round(metresPerSecond * MPH_PER_MPS)} mph`
    : `${Math.round(metresPerSecond * KMH_PER_MPS)} km/h`
}

/** Hours and minutes on the company's wall clock. */
export function formatClock(time: number, timeZone: string): string {
  return new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', timeZone }).format(
    time,
  )
}
