// Light, dark, or as the system has it.

import { createSignal, type Accessor } from 'solid-js'

export type Theme = 'system' | 'light' | 'dark'

const stored = localStorage.getItem('halligan.theme')
const [chosen, setChosen] = createSignal<Theme>(stored === 'light' || stored === 'dark' ? stored : 'system')

export const theme: Accessor<Theme> = chosen

export function chooseTheme(next: Theme): void {
  setChosen(next)
  if (next === 'system') {
    localStorage.removeItem('halligan.theme')
    delete document.documentElement.dataset['theme']
    return
  }
  localStorage.setItem('halligan.theme', next)
  document.documentElement.dataset['theme'] = next
}
