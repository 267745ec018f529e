import type { Map as MapLibre } from 'maplibre-gl'
import type { Freshness } from '../live/freshness'
import { STALE_COLOR, textOn } from './colors'

/**
 * Marker images, drawn on a canvas when the map first needs one. Their names say all that they
 * show, so the map keeps one image for all who look alike and nothing is loaded from the net.
 */

const BADGE = 40
const ARROW = 64
const FONT = '"Inter Variable", system-ui, sans-serif'
const DELAYED_RING = '#e8a93a'

export function badgeImage(color: string, initials: string, freshness: Freshness): string {
  const fill = freshness === 'stale' || freshness === 'lost' ? STALE_COLOR : color
  return ['badge', fill, freshness === 'delayed' ? 'late' : 'plain', initials].join('|')
}

export function arrowImage(color: string): string {
  return ['arrow', color].join('|')
}

function canvasContext(size: number, ratio: number): CanvasRenderingContext2D {
  const canvas = document.createElement('canvas')
  canvas.width = size * ratio
  canvas.height = size * ratio
  const context = canvas.getContext('2d', { willReadFrequently: true })
  if (context === null) throw new Error('This browser gives no 2D canvas to draw markers on')
  context.scale(ratio, ratio)
  return context
}

function drawBadge(ratio: number, fill: string, ring: string, initials: string): ImageData {
  const context = canvasContext(BADGE, ratio)
  const middle = BADGE / 2
  context.shadowColor = 'rgb(0 0 0 / 35%)'
  context.shadowBlur = 4 * ratio
  context.shadowOffsetY = ratio
  context.fillStyle = ring === 'late' ? DELAYED_RING : '#ffffff'
  circle(context, middle, 17)
  context.shadowColor = 'transparent'
  context.fillStyle = fill
  circle(context, middle, 14.5)
  context.fillStyle = textOn(fill)
  context.font = `650 ${initials.length > 2 ? 10 : 12}px ${FONT}`
  context.textAlign = 'center'
  context.textBaseline = 'alphabetic'
  const size = context.measureText(initials)
  context.fillText(
    initials,
    middle,
    middle + (size.actualBoundingBoxAscent - size.actualBoundingBoxDescent) / 2,
    25,
  )
  return context.getImageData(0, 0, BADGE * ratio, BADGE * ratio)
}

function circle(context: CanvasRenderingContext2D, middle: number, radius: number): void {
  context.beginPath()
  context.arc(middle, middle, radius, 0, 2 * Math.PI)
  context.fill()
}

/** A beak that points north from under the badge; the layer turns it to the heading. */
function drawArrow(ratio: number, fill: string): ImageData {
  const context = canvasContext(ARROW, ratio)
  const middle = ARROW / 2
  context.beginPath()
  context.moveTo(middle, 4)
  context.lineTo(middle + 9, 18)
  context.lineTo(middle - 9, 18)
  context.closePath()
  context.lineJoin = 'round'
  context.lineWidth = 4
  context.strokeStyle = '#ffffff'
  context.stroke()
  context.fillStyle = fill
  context.fill()
  return context.getImageData(0, 0, ARROW * ratio, ARROW * ratio)
}

/** Draws marker images for `map` on demand; other names are left to its style. */
export function provideImages(map: MapLibre): void {
  const pixelRatio = Math.max(2, Math.ceil(window.devicePixelRatio))
  map.setMissingStyleImageResolver((id) => {
    const [kind, fill, ring, ...initials] = id.split('|')
    if (fill === undefined || map.hasImage(id)) return
    if (kind === 'badge' && ring !== undefined) {
      map.addImage(id, drawBadge(pixelRatio, fill, ring, initials.join('|')), { pixelRatio })
    } else if (kind === 'arrow') {
      map.addImage(id, drawArrow(pixelRatio, fill), { pixelRatio })
    }
  })
}

/** Waits until the badges' font is there, so that no badge is drawn with a substitute. */
export async function loadBadgeFont(): Promise<void> {
  try {
    await document.fonts.load(`650 12px ${FONT}`, 'AZ')
  } catch {
    // The font file did not load: badges use the system's.
  }
}
