-- The state's first schema. Times are ms since the epoch. A `document` is the JSON of the domain's own type; columns
-- that queries need are generated from it, so that no fact is kept twice.

CREATE TABLE key_check (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  value BLOB NOT NULL
) STRICT;

CREATE TABLE settings (
  name TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
) STRICT;

CREATE TABLE grants (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  document TEXT NOT NULL CHECK (json_valid(document)),
  version INTEGER NOT NULL GENERATED ALWAYS AS (document ->> '$.version') STORED,
  state TEXT NOT NULL GENERATED ALWAYS AS (document ->> '$.state') STORED
    CHECK (state IN ('requested', 'active', 'denied', 'lapsed', 'awaiting-review', 'reviewed')),
  user_name TEXT NOT NULL GENERATED ALWAYS AS (document ->> '$.user') STORED,
  requested_at INTEGER NOT NULL GENERATED ALWAYS AS (document ->> '$.requestedAt') STORED,
  CHECK (id = document ->> '$.id')
) STRICT;
CREATE INDEX grants_newest ON grants (requested_at, position);
CREATE INDEX grants_state ON grants (state, requested_at, position);
CREATE INDEX grants_user ON grants (user_name, requested_at, position);

-- `document` is the session as it was opened and never changes.
CREATE TABLE sessions (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  document TEXT NOT NULL CHECK (json_valid(document)),
  grant_id TEXT NOT NULL GENERATED ALWAYS AS (document ->> '$.grant') STORED REFERENCES grants (id),
  user_name TEXT NOT NULL GENERATED ALWAYS AS (document ->> '$.user') STORED,
  opened_at INTEGER NOT NULL GENERATED ALWAYS AS (document ->> '$.openedAt') STORED,
  state TEXT NOT NULL CHECK (state IN ('open', 'ended', 'sealed')),
  ended_at INTEGER,
  ending TEXT CHECK (json_valid(ending)),
  seal TEXT CHECK (json_valid(seal)),
  CHECK ((state = 'sealed') = (seal IS NOT NULL)),
  CHECK (id = document ->> '$.id')
) STRICT;
CREATE INDEX sessions_newest ON sessions (opened_at, position);
CREATE INDEX sessions_state ON sessions (state, opened_at, position);
CREATE INDEX sessions_grant ON sessions (grant_id, opened_at, position);
CREATE INDEX sessions_user ON sessions (user_name, opened_at, position);

-- `secret` is sealed (sealed-column.ts).
CREATE TABLE totp (
  user_name TEXT PRIMARY KEY NOT NULL,
  secret BLOB NOT NULL,
  last_step INTEGER NOT NULL
) STRICT;

-- `stored_key` and `server_key` are sealed.
CREATE TABLE grant_secrets (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  grant_id TEXT NOT NULL REFERENCES grants (id),
  user_name TEXT NOT NULL,
  target TEXT NOT NULL,
  database TEXT NOT NULL,
  from_address TEXT NOT NULL,
  salt BLOB NOT NULL,
  iterations INTEGER NOT NULL,
  stored_key BLOB NOT NULL,
  server_key BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  first_use_by INTEGER NOT NULL,
  used_at INTEGER,
  ended_at INTEGER,
  mfa TEXT NOT NULL,
  fingerprint TEXT NOT NULL
) STRICT;
CREATE INDEX grant_secrets_live ON grant_secrets (grant_id, position) WHERE ended_at IS NULL;

-- RFC 6962 leaves: `position` is the leaf's index, `hash` is SHA-256(0x00 || leaf).
CREATE TABLE ledger (
  position INTEGER PRIMARY KEY,
  leaf BLOB NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- The tree over them: `peaks` are the roots of its perfect subtrees, largest first, 32 bytes each.
CREATE TABLE ledger_head (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  size INTEGER NOT NULL,
  root BLOB NOT NULL,
  peaks BLOB NOT NULL
) STRICT;

-- Rows of a damaged ledger that stand where its tree goes on: kept as they were found.
CREATE TABLE ledger_stray (
  found_at INTEGER NOT NULL,
  position INTEGER NOT NULL,
  leaf BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;

CREATE TABLE outbox (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  channel TEXT NOT NULL,
  type TEXT NOT NULL,
  at INTEGER NOT NULL,
  payload TEXT NOT NULL CHECK (json_valid(payload)),
  attempts INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  last_error TEXT,
  accepted_at INTEGER,
  receipt TEXT
) STRICT;
CREATE INDEX outbox_due ON outbox (next_at, position) WHERE accepted_at IS NULL;
