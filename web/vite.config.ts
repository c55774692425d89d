import { defineConfig } from 'vite'
import solid from 'vite-plugin-solid'

export default defineConfig({
  plugins: [solid()],
  build: { target: 'esnext', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
})
