// SQL in colours. The highlighter's tree is turned into elements here: no text ever becomes markup.

import hljs from 'highlight.js/lib/core'
import pgsql from 'highlight.js/lib/languages/pgsql'
import { createMemo, For, type JSX } from 'solid-js'
import { visible } from './format.ts'

hljs.registerLanguage('pgsql', pgsql)

/** Longer texts stay plain: colouring them would stop the page. */
const COLOUR_CHARS = 20_000

interface Scope {
  readonly scope?: string
  readonly children: readonly (Scope | string)[]
}

export function SqlText(props: { readonly sql: string }): JSX.Element {
  const tree = createMemo((): Scope => {
    const text = visible(props.sql)
    if (text.length > COLOUR_CHARS) return { children: [text] }
    const result = hljs.highlight(text, { language: 'pgsql', ignoreIllegals: true })
    // The tree behind `value`, before it is written out as HTML.
    const { rootNode } = result._emitter as unknown as { readonly rootNode: Scope }
    return rootNode
  })
  return (
    <code class="sql">
      <Nodes nodes={tree().children} />
    </code>
  )
}

function Nodes(props: { readonly nodes: Scope['children'] }): JSX.Element {
  return (
    <For each={props.nodes}>
      {(node) =>
        typeof node === 'string' ? (
          node
        ) : (
          <span class={`hl-${(node.scope ?? 'text').replace(/[^a-z]+/g, '-')}`}>
            <Nodes nodes={node.children} />
          </span>
        )
      }
    </For>
  )
}
