/** The colour theme: the system's, unless the reader chose one (kept in localStorage). */

export type Theme = 'light' | 'dark'

const STORAGE_KEY = 'sera-theme'
const systemDark = window.matchMedia('(prefers-color-scheme: dark)')
const listeners = new Set<(theme: Theme) => void>()

function chosenTheme(): Theme | null {
  const value = document.documentElement.dataset.theme
  return value === 'light' || value === 'dark' ? value : null
}

export function currentTheme(): Theme {
  return chosenTheme() ?? (systemDark.matches ? 'dark' : 'light')
}

export function toggleTheme(): Theme {
  const next: Theme = currentTheme() === 'dark' ? 'light' : 'dark'
  document.documentElement.dataset.theme = next
  try {
    localStorage.setItem(STORAGE_KEY, next)
  } catch {
    // Storage is blocked or full: the choice lasts until the page is left.
  }
  notify()
  return next
}

/** Calls `listener` after each change of the theme that is shown. Returns the way to stop it. */
export function onThemeChange(listener: (theme: Theme) => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

function notify(): void {
  for (const listener of listeners) listener(currentTheme())
}

systemDark.addEventListener('change', () => {
  if (chosenTheme() === null) notify()
})
