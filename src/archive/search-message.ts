// What crosses between the search index and its worker. Each message is small: the worker reads recordings itself.

import type { SearchAsk, SearchFound } from '../procedure/search.ts'
import type { SearchRecording } from './search-index.ts'

export interface SearchWorkerStart {
  /** Path of the database. */
  readonly file: string
  /** Directory of the recordings. */
  readonly recordings: string
}

/** By name: what a call takes and what it gives. */
export interface SearchCalls {
  /** Which of these are not in the index, or not as they were sealed. */
  readonly missing: { readonly take: readonly SearchRecording[]; readonly give: readonly string[] }
  readonly index: { readonly take: SearchRecording; readonly give: SearchIndexed }
  readonly forget: { readonly take: string; readonly give: null }
  readonly find: { readonly take: SearchAsk; readonly give: SearchFound }
}

/** `refused`: it did not verify, or cannot be read; nothing of it is in the index. */
export type SearchIndexed =
  | { readonly kind: 'indexed'; readonly entries: number; readonly isCut: boolean }
  | { readonly kind: 'refused'; readonly why: string }

export type SearchCallName = keyof SearchCalls

export type SearchCallMessage = {
  readonly [Name in SearchCallName]: {
    readonly call: number
    readonly name: Name
    readonly take: SearchCalls[Name]['take']
  }
}[SearchCallName]

export type SearchWorkerMessage =
  | {
      readonly kind: 'answer'
      readonly call: number
      readonly ok: true
      readonly give: SearchCalls[SearchCallName]['give']
    }
  | { readonly kind: 'answer'; readonly call: number; readonly ok: false; readonly why: string }
  /** The index was thrown away and begun anew: everything is to be indexed again. */
  | { readonly kind: 'renewed'; readonly why: string }
