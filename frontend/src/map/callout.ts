import { type Map as MapLibre, Marker } from 'maplibre-gl'
import './callout.css'

export interface CalloutText {
  title: string
  detail: string
}

/**
 * A small label above one marker. For the eye only: the list says the same to a screen reader.
 */
export class Callout {
  readonly #marker: Marker
  readonly #title = document.createElement('strong')
  readonly #detail = document.createElement('span')
  #shown = false

  constructor(private readonly map: MapLibre) {
    const element = document.createElement('div')
    element.className = 'map-callout'
    element.append(this.#title, this.#detail)
    this.#marker = new Marker({ element, anchor: 'bottom', offset: [0, -30] })
  }

  /** Places the label at [lon, lat], or takes it away when either is null. */
  show(at: [number, number] | null, text: CalloutText | null): void {
    if (at === null || text === null) {
      if (this.#shown) this.#marker.remove()
      this.#shown = false
      return
    }
    if (this.#title.textContent !== text.title) this.#title.textContent = text.title
    if (this.#detail.textContent !== text.detail) this.#detail.textContent = text.detail
    this.#marker.setLngLat(at)
    if (!this.#shown) {
      this.#marker.addTo(this.map)
      // MapLibre makes markers focusable buttons; this one does nothing.
      const element = this.#marker.getElement()
      element.removeAttribute('role')
      element.removeAttribute('tabindex')
      element.removeAttribute('aria-label')
      element.setAttribute('aria-hidden', 'true')
    }
    this.#shown = true
  }
}
