/** Relative luminance of `#rrggbb` (WCAG 2.2, "relative luminance"), 0..1. */
function luminance(hex: string): number {
  const channel = (start: number): number => {
    const value = Number.parseInt(hex.slice(start, start + 2), 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  }
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

const DARK_TEXT = '#10161c'
const LIGHT_TEXT = '#ffffff'

/** The text colour, dark or light, that reads better on `#rrggbb`. */
export function textOn(background: string): string {
  const ground = luminance(background) + 0.05
  const onLight = (luminance(LIGHT_TEXT) + 0.05) / ground
  const onDark = ground / (luminance(DARK_TEXT) + 0.05)
  return onLight >= onDark ? LIGHT_TEXT : DARK_TEXT
}

/** Markers of positions that are too old to act on. */
export const STALE_COLOR = '#66727f'
