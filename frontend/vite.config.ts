import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

/**
 * Django serves what this builds: `dist/` under `/static/`, pages find the hashed
 * files through `dist/manifest.json`. `public/` is copied as it is.
 */
export default defineConfig({
  base: '/static/',
  plugins: [vue()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    manifest: 'manifest.json',
    // The first browsers with light-dark(), which the design tokens use as they stand.
    target: ['chrome123', 'firefox120', 'safari17.5'],
    // MapLibre is one module of 1.1 MB that loads after the list is on screen.
    chunkSizeWarningLimit: 1200,
    rolldownOptions: {
      input: { board: 'src/board/main.ts', login: 'src/login/main.ts' },
    },
  },
  test: {
    include: ['tests/**/*.test.ts'],
  },
})
