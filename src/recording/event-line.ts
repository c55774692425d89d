// One event = one JSON line compatible with asciicast v3: `[interval, code, data]`.

/** asciicast's `o i r m x`; ours: `e` stderr, `b` raw bytes, `q` statement, `p` parameters, `d` done, `t` rows, `f` file, `c` channel request, `h` chunk hash, `n` notice. */
export type EventCode = 'o' | 'i' | 'r' | 'm' | 'x' | 'e' | 'b' | 'q' | 'p' | 'd' | 't' | 'f' | 'c' | 'h' | 'n'
