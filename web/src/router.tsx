// Paths and the page they show. Links are real links: they can be copied, opened in a tab, and followed by keyboard.

import { createSignal, splitProps, type Accessor, type JSX } from 'solid-js'

const [current, setCurrent] = createSignal(location.pathname)

window.addEventListener('popstate', () => setCurrent(location.pathname))

export const path: Accessor<string> = current

export function go(to: string): void {
  history.pushState(null, '', to)
  setCurrent(location.pathname)
  window.scrollTo(0, 0)
}

/** A link within the page. */
export function Link(props: JSX.AnchorHTMLAttributes<HTMLAnchorElement> & { readonly href: string }): JSX.Element {
  const [own, rest] = splitProps(props, ['href'])
  return (
    <a
      {...rest}
      href={own.href}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return
        event.preventDefault()
        go(own.href)
      }}
    />
  )
}
