import { onScopeDispose, type Ref, ref, type ShallowRef, shallowRef } from 'vue'
import { ServerClock } from '../live/clock'
import type { Connection } from '../live/connection'
import { MapFeed } from '../live/feed'
import { applyChanges, type Fleet, fleetFromSnapshot } from '../live/fleet'

export interface FleetUpdate {
  fleet: Fleet
  /** True for a snapshot: what was shown before may be long gone. */
  whole: boolean
}

export interface LiveFleet {
  /** Null until the first snapshot. */
  update: Readonly<ShallowRef<FleetUpdate | null>>
  connection: Readonly<ShallowRef<Connection>>
  /** The server's time in ms since the epoch, renewed each second. */
  now: Readonly<Ref<number>>
  serverNow(): number
  retryNow(): void
}

/** Follows the map stream for as long as the calling component lives. */
export function useLiveFleet(cableUrl: string): LiveFleet {
  const clock = new ServerClock()
  const update = shallowRef<FleetUpdate | null>(null)
  const connection = shallowRef<Connection>({ status: 'connecting' })
  const now = ref(clock.now())

  const feed = new MapFeed(cableUrl, clock, {
    connection(next) {
      connection.value = next
    },
    thresholds(thresholds) {
      if (update.value === null) return
      now.value = clock.now()
      update.value = { fleet: { ...update.value.fleet, thresholds }, whole: false }
    },
    snapshot(technicians, snapshot) {
      const { fleet, unknown } = fleetFromSnapshot(technicians, snapshot)
      now.value = clock.now()
      update.value = { fleet, whole: true }
      feed.resync(unknown)
    },
    changes(changes) {
      if (update.value === null) return
      const { fleet, changed, unknown } = applyChanges(update.value.fleet, changes)
      if (changed.length > 0) {
        now.value = clock.now()
        update.value = { fleet, whole: false }
      }
      feed.resync(unknown)
    },
  })

  const tick = (): void => {
    now.value = clock.now()
  }
  const timer = setInterval(tick, 1000)
  document.addEventListener('visibilitychange', tick)
  onScopeDispose(() => {
    clearInterval(timer)
    document.removeEventListener('visibilitychange', tick)
    feed.stop()
  })

  return {
    update,
    connection,
    now,
    serverNow: () => clock.now(),
    retryNow: () => feed.retryNow(),
  }
}
