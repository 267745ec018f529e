import { onMounted, onScopeDispose } from 'vue'

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.matches('input, textarea, select, [contenteditable]')
  )
}

/** Single-key shortcuts of the page; they rest while someone types or holds a modifier. */
export function useShortcuts(actions: Record<string, () => void>): void {
  const handle = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return
    if (isTyping(event.target)) return
    const action = actions[event.key]
    if (!action) return
    event.preventDefault()
    action()
  }
  onMounted(() => document.addEventListener('keydown', handle))
  onScopeDispose(() => document.removeEventListener('keydown', handle))
}
