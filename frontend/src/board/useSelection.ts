import { onScopeDispose, type Ref, ref, watch } from 'vue'

const PARAMETER = 'technician'
/** Browsers refuse more than a hundred address changes in half a minute; a held-down arrow key
 * makes more. */
const WRITE_DELAY_MS = 150

export function selectionInUrl(search: string): number | null {
  const value = new URLSearchParams(search).get(PARAMETER)
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : null
}

/** The selected technician's id, kept in the address so that a reload or a link shows the same. */
export function useSelection(): Ref<number | null> {
  const selected = ref(selectionInUrl(window.location.search))
  let timer: ReturnType<typeof setTimeout> | undefined
  watch(selected, (id) => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      const url = new URL(window.location.href)
      if (id === null) url.searchParams.delete(PARAMETER)
      else url.searchParams.set(PARAMETER, String(id))
      window.history.replaceState(window.history.state, '', url)
    }, WRITE_DELAY_MS)
  })
  onScopeDispose(() => clearTimeout(timer))
  return selected
}
