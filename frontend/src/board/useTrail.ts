import { onScopeDispose, type Ref, type ShallowRef, shallowRef, watch } from 'vue'
import { fetchTrail, mergeTrail, TRAIL_MS, type Trail } from '../live/trail'
import type { LiveFleet } from './useLiveFleet'

/** Arrow keys pass over rows faster than trails need to load. */
const LOAD_DELAY_MS = 150

export type TrailStatus = 'none' | 'loading' | 'ready' | 'failed'

export interface SelectedTrail {
  trail: Readonly<ShallowRef<Trail>>
  status: Readonly<ShallowRef<TrailStatus>>
  reload(): void
}

/** The recent way of the selected technician: loaded once, then grown by the live stream. */
export function useTrail(selected: Ref<number | null>, live: LiveFleet): SelectedTrail {
  const trail = shallowRef<Trail>([])
  const status = shallowRef<TrailStatus>('none')
  let abort = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined

  const grow = (fixes: Trail): void => {
    trail.value = mergeTrail(trail.value, fixes, live.serverNow() - TRAIL_MS)
  }

  async function load(id: number): Promise<void> {
    const { signal } = abort
    try {
      const fixes = await fetchTrail(id, live.serverNow() - TRAIL_MS, signal)
      if (signal.aborted) return
      grow(fixes)
      status.value = 'ready'
    } catch (error) {
      if (signal.aborted) return
      console.warn('The trail could not be loaded:', error)
      status.value = 'failed'
    }
  }

  function reload(): void {
    abort.abort()
    abort = new AbortController()
    clearTimeout(timer)
    const id = selected.value
    status.value = id === null ? 'none' : 'loading'
    if (id !== null) timer = setTimeout(() => load(id), LOAD_DELAY_MS)
  }

  watch(
    selected,
    () => {
      trail.value = []
      reload()
    },
    { immediate: true },
  )
  watch(live.update, (next, previous) => {
    const id = selected.value
    if (next === null || id === null) return
    const position = next.fleet.technicians.get(id)?.position
    if (position && position !== previous?.fleet.technicians.get(id)?.position) grow([position])
    // A snapshot after a cut hides what was driven in between: ask for it.
    if (next.whole && previous !== null) reload()
  })
  onScopeDispose(() => {
    abort.abort()
    clearTimeout(timer)
  })

  return { trail, status, reload }
}
