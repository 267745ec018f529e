import 'maplibre-gl/dist/maplibre-gl.css'
import {
  type GeoJSONSource,
  Map as MapLibre,
  type StyleSpecification,
  setWorkerUrl,
} from 'maplibre-gl'
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?url'
import type { Fleet } from '../live/fleet'
import { type Pose, wrapLon } from '../live/motion'
import type { Trail } from '../live/trail'
import { boundsOf } from './bounds'
import { Callout, type CalloutText } from './callout'
import { addControls } from './controls'
import { loadBadgeFont, provideImages } from './images'
import { addLayers, BADGES, FLEET } from './layers'
import { type Marker, Markers } from './markers'
import { Pacer } from './pacer'
import { collection, SelectedView } from './selectedView'

setWorkerUrl(workerUrl)

const FIT_PADDING = 64
const FIT_MAX_ZOOM = 16
const FOCUS_ZOOM = 16
/** Pixels round a click in which a marker counts as hit: a fingertip is 44 px wide. */
const HIT_RADIUS = 14
export interface FleetMapOptions {
  container: HTMLElement
  styleUrl: string
  center: [number, number] | null
  zoom: number | null
  attribution: string | null
  onSelect(id: number | null): void
  describe(id: number): CalloutText | null
  /** The street map could not be loaded; markers are shown on a plain ground. */
  onStyleFailed(): void
}

/** The live map. Throws when the browser has no WebGL 2. */
export class FleetMap {
  readonly map: MapLibre
  readonly #markers = new Markers()
  readonly #selectedCallout: Callout
  readonly #hoverCallout: Callout
  readonly #reducedMotion = window.matchMedia('(prefers-reduced-motion: reduce)')
  readonly #font = loadBadgeFont()
  /** How many styles were asked for: the number names the latest. */
  #styles = 0
  #styleArrived = false
  #layersReady = false
  #styleFailed = false
  #selected: number | null = null
  #hovered: number | null = null
  #frame: number | null = null
  readonly #selectedView: SelectedView
  readonly #pacer = new Pacer()
  #drawing = false
  #movedByUser = false
  #fitted = false

  constructor(private readonly options: FleetMapOptions) {
    this.map = new MapLibre({
      container: options.container,
      style: options.styleUrl,
      center: options.center ?? [0, 0],
      zoom: options.zoom ?? (options.center ? 13 : 1),
      attributionControl: false,
      fadeDuration: 0,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      maxPitch: 0,
    })
    this.map.touchZoomRotate.disableRotation()
    this.map.keyboard.disableRotation()
    addControls(this.map, options.attribution)
    provideImages(this.map)
    this.#selectedView = new SelectedView(this.map)
    this.#selectedCallout = new Callout(this.map)
    this.#hoverCallout = new Callout(this.map)
    this.#listen()
  }

  #listen(): void {
    const { map } = this
    map.on('style.load', () => {
      this.#styleArrived = true
      void this.#install()
    })
    map.on('error', ({ error, ...event }) => {
      console.warn('The map reports:', error.message)
      const sourceFailed = 'sourceId' in event && !('tile' in event)
      if (!this.#styleArrived) this.#useBlankStyle()
      else if (sourceFailed) this.options.onStyleFailed()
    })
    map.on('movestart', ({ originalEvent }) => {
      // Our own moves have no such event.
      if (originalEvent) this.#movedByUser = true
    })
    map.on('click', (event) => this.options.onSelect(this.#hit(event.point)))
    map.on('mousemove', (event) => this.#hover(this.#hit(event.point)))
    map.on('mouseout', () => this.#hover(null))
  }

  async #install(): Promise<void> {
    const style = this.#styles
    await this.#font
    // Another style may have been asked for meanwhile, or the map be gone.
    if (style !== this.#styles) return
    addLayers(this.map)
    this.#layersReady = true
    this.#source(FLEET).setData(collection(this.#markers.features()))
    this.#highlight(this.#selected, true)
    this.#selectedView.draw(this.#selectedMarker())
    this.#animate()
  }

  #source(id: string): GeoJSONSource {
    return this.map.getSource(id) as GeoJSONSource
  }

  #useBlankStyle(): void {
    if (this.#styleFailed) return
    this.#styleFailed = true
    this.#styles += 1
    this.map.setStyle(BLANK_STYLE, { diff: false })
    this.options.onStyleFailed()
  }

  /** Shows another style, for example the dark one, or the same one after it failed. */
  setStyle(url: string): void {
    this.#styleFailed = false
    this.#styleArrived = false
    this.#styles += 1
    this.#layersReady = false
    this.#drawing = false
    this.map.setStyle(url, { diff: false })
  }

  /** Draws a fleet as of `now` (the server's clock). `whole`: it is a snapshot, so nobody glides. */
  setFleet(fleet: Fleet, now: number, whole: boolean): void {
    const glides = !whole && !this.#reducedMotion.matches && !document.hidden && this.#layersReady
    const view = this.map.getBounds()
    const inView = ({ lon, lat }: Pose): boolean => view.contains([lon, lat])
    const diff = this.#markers.sync(fleet, now, performance.now(), (from, to) => {
      return glides && (inView(from) || inView(to))
    })
    if (diff !== null && this.#layersReady) {
      this.#source(FLEET).updateData(diff)
      if (whole) this.#highlight(this.#selected, true)
    }
    if (this.#layersReady) {
      // A trail may be here before the first snapshot brings the marker that it belongs to.
      if (whole) this.#selectedView.draw(this.#selectedMarker())
      else this.#selectedView.follow(this.#selectedMarker())
    }
    if (this.#markers.gliding === 0) this.#placeCallouts()
    this.#animate()
    if (!this.#fitted && !this.#movedByUser && this.#selected === null) {
      this.#fitted = this.fitAll(false)
    }
  }

  #animate(): void {
    if (this.#frame !== null || !this.#unsettled()) return
    this.#frame = requestAnimationFrame((time) => {
      this.#frame = null
      this.#step(time)
      this.#animate()
    })
  }

  #unsettled(): boolean {
    return this.#layersReady && (this.#markers.gliding > 0 || this.#drawing)
  }

  /** One frame: waits until the last one is on screen, then draws the next. */
  #step(time: number): void {
    this.#pacer.frame(time)
    if (this.#drawing) {
      if (!this.map.isSourceLoaded(FLEET)) return
      this.#drawing = false
      this.#placeCallouts()
    }
    if (this.#markers.gliding === 0 || !this.#pacer.due(time, this.#markers.gliding)) return
    this.#drawing = true
    this.#source(FLEET).updateData(this.#markers.advance(time))
    this.#selectedView.follow(this.#selectedMarker())
  }

  select(id: number | null): void {
    this.#highlight(this.#selected, false)
    this.#selected = id
    const diff = this.#markers.select(id)
    if (this.#layersReady) this.#source(FLEET).updateData(diff)
    this.#highlight(id, true)
    this.setTrail([])
    this.#hover(null)
    this.#placeCallouts()
  }

  #highlight(id: number | null, selected: boolean): void {
    if (id === null || !this.#layersReady) return
    this.map.setFeatureState({ source: FLEET, id }, { selected })
  }

  /** Shows the recent way of the selected technician. */
  setTrail(trail: Trail): void {
    this.#selectedView.setTrail(trail)
    if (this.#layersReady) this.#selectedView.draw(this.#selectedMarker())
  }

  #selectedMarker(): Marker | undefined {
    return this.#selected === null ? undefined : this.#markers.get(this.#selected)
  }

  #placeCallouts(): void {
    this.#callout(this.#selectedCallout, this.#selected)
    this.#callout(this.#hoverCallout, this.#hovered)
  }

  #callout(callout: Callout, id: number | null): void {
    const marker = id === null ? undefined : this.#markers.get(id)
    callout.show(
      marker ? [marker.pose.lon, marker.pose.lat] : null,
      marker && id !== null ? this.options.describe(id) : null,
    )
  }

  #hover(id: number | null): void {
    this.map.getCanvas().style.cursor = id === null ? '' : 'pointer'
    const hovered = id === this.#selected ? null : id
    if (hovered === this.#hovered) return
    this.#hovered = hovered
    this.#callout(this.#hoverCallout, hovered)
  }

  /** The technician whose marker is nearest to a point of the screen, within reach. */
  #hit(point: { x: number; y: number }): number | null {
    if (!this.#layersReady) return null
    const found = this.map.queryRenderedFeatures(
      [
        [point.x - HIT_RADIUS, point.y - HIT_RADIUS],
        [point.x + HIT_RADIUS, point.y + HIT_RADIUS],
      ],
      { layers: [BADGES] },
    )
    let nearest: { id: number; distance: number } | null = null
    for (const { id } of found) {
      const marker = typeof id === 'number' ? this.#markers.get(id) : undefined
      if (!marker) continue
      const drawn = this.map.project([marker.pose.lon, marker.pose.lat])
      const distance = Math.hypot(drawn.x - point.x, drawn.y - point.y)
      if (nearest === null || distance < nearest.distance) {
        nearest = { id: marker.technician.id, distance }
      }
    }
    return nearest?.id ?? null
  }

  /** Brings all technicians into view. False when nobody has a position. */
  fitAll(animate: boolean): boolean {
    const points = [...this.#markers.all()].map(
      ({ position }) => [position.lon, position.lat] as const,
    )
    const box = boundsOf(points)
    if (box === null) return false
    const { clientWidth, clientHeight } = this.map.getContainer()
    const padding = Math.min(FIT_PADDING, clientWidth / 5, clientHeight / 5)
    this.map.fitBounds(box, { padding, maxZoom: FIT_MAX_ZOOM, animate })
    return true
  }

  /** Flies to a technician; with `gently` only if the marker is out of view. */
  focus(id: number, gently = false): void {
    const marker = this.#markers.get(id)
    if (!marker) return
    const center: [number, number] = [wrapLon(marker.position.lon), marker.position.lat]
    this.#fitted = true
    if (!gently) {
      this.map.flyTo({ center, zoom: Math.max(this.map.getZoom(), FOCUS_ZOOM), duration: 900 })
    } else if (!this.map.getBounds().contains(center)) {
      this.map.easeTo({ center, duration: 400 })
    }
  }

  /** Where each marker is drawn, and where it is going. */
  markers(): IterableIterator<Marker> {
    return this.#markers.all()
  }

  destroy(): void {
    this.#styles += 1
    if (this.#frame !== null) cancelAnimationFrame(this.#frame)
    this.map.remove()
  }
}

/** No ground of its own: the page's shows through, in either theme. */
const BLANK_STYLE: StyleSpecification = { version: 8, sources: {}, layers: [] }
