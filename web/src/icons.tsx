// The page's few signs, drawn on a 24 grid. They decorate words; none stands alone without a name.

import type { JSX } from 'solid-js'

const paths = {
  overview: 'M4 4h7v9H4zM13 4h7v5h-7zM13 11h7v9h-7zM4 15h7v5H4z',
  drill: 'M12 3a9 9 0 1 0 9 9M12 8a4 4 0 1 0 4 4M12 12l8-8M16 4h4v4',
  sessions: 'M4 6h16M4 12h16M4 18h10',
  grants: 'M14 7a4 4 0 1 1-3.500 6L4 19.500V21h3v-2h2v-2h2l1.700-1.700M15.500 9.500h.01',
  access: 'M5 20V4h9v16M5 20h14M11 12h.01M17 8l3 4-3 4M20 12h-6',
  terminal: 'M4 5h16v14H4zM8 10l3 2.500L8 15M13 15h3.500',
  database:
    'M5 6c0-1.700 3.100-3 7-3s7 1.300 7 3-3.100 3-7 3-7-1.300-7-3zM5 6v12c0 1.700 3.100 3 7 3s7-1.300 7-3V6M5 12c0 1.700 3.100 3 7 3s7-1.300 7-3',
  command: 'M7 8l-4 4 4 4M17 8l4 4-4 4M14 5l-4 14',
  warning: 'M12 4 2.500 20h19zM12 10v4.500M12 17.300v.01',
  quiet: 'M20 14.500A8.500 8.500 0 1 1 9.500 4a7 7 0 0 0 10.500 10.500z',
  seal: 'M12 3l7 3v5.500c0 4.300-2.900 7.600-7 9.500-4.100-1.900-7-5.200-7-9.500V6zM8.800 12l2.300 2.300 4.200-4.600',
  download: 'M12 4v11M7.500 11l4.500 4.500 4.500-4.500M5 20h14',
  kill: 'M12 3v9M6.300 6.500a8 8 0 1 0 11.400 0',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.500v2M12 19.500v2M4.500 12h-2M21.500 12h-2M6 6 4.700 4.700M19.300 19.300 18 18M6 18l-1.300 1.300M19.300 4.700 18 6',
  moon: 'M20 14.500A8.500 8.500 0 1 1 9.500 4a7 7 0 0 0 10.500 10.500z',
  screen: 'M3.500 5h17v11h-17zM9 20h6M12 16v4',
  out: 'M10 4H5v16h5M14 8l4.500 4-4.500 4M18.500 12H9',
  eye: 'M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12zM12 9.500a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5z',
  bell: 'M6 16V11a6 6 0 1 1 12 0v5l1.500 2h-15zM10 20.500h4',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  review: 'M6 4h12v16H6zM9 9h6M9 13l1.500 1.500L14 11.500M9 17h3',
  policy: 'M12 3v18M4 7h16M7 7l-3 7h6zM17 7l-3 7h6zM8 21h8',
  report: 'M5 20V11M12 20V4M19 20v-6M3 20h18',
  search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM20.500 20.500 16 16',
} as const

export type IconName = keyof typeof paths

export function Icon(props: { readonly name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={paths[props.name]} />
    </svg>
  )
}

/** A Halligan bar: fork below, adze and pike above. */
export function Mark(): JSX.Element {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M9 23 21.500 10.500M9 23l-3 .5M9 23l-.5 3M18 6.500 25.500 14M25.500 14l1.500-4.500" />
    </svg>
  )
}
