-- What the whole break-glass procedure keeps: locks, single-use codes, views, drills, credentials to be taken away.

-- Gone again with the unlock; the ledger tells the story.
CREATE TABLE locks (
  scope TEXT PRIMARY KEY NOT NULL,
  document TEXT NOT NULL CHECK (json_valid(document)),
  CHECK (scope = document ->> '$.scope')
) STRICT;

-- `hash` alone: a code itself is never kept. `ended_at`: replaced or taken back without having been used.
CREATE TABLE codes (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  user_name TEXT NOT NULL,
  purpose TEXT NOT NULL CHECK (purpose IN ('recovery', 'bypass', 'invite')),
  hash TEXT NOT NULL,
  issued_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  used_at INTEGER,
  ended_at INTEGER
) STRICT;
CREATE INDEX codes_usable ON codes (user_name, purpose, position) WHERE used_at IS NULL AND ended_at IS NULL;

CREATE TABLE views (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  session_id TEXT NOT NULL REFERENCES sessions (id),
  user_name TEXT NOT NULL,
  at INTEGER NOT NULL,
  share REAL NOT NULL CHECK (share BETWEEN 0 AND 1)
) STRICT;
CREATE INDEX views_session ON views (session_id, position);

CREATE TABLE drill_runs (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  document TEXT NOT NULL CHECK (json_valid(document)),
  name TEXT NOT NULL GENERATED ALWAYS AS (document ->> '$.name') STORED,
  started_at INTEGER NOT NULL GENERATED ALWAYS AS (document ->> '$.startedAt') STORED,
  CHECK (id = document ->> '$.id')
) STRICT;
CREATE INDEX drill_runs_newest ON drill_runs (started_at, position);
CREATE INDEX drill_runs_name ON drill_runs (name, started_at, position);

-- `grant_id` refers to nothing: what is left behind on a target is taken away even when its grant is not known any more.
CREATE TABLE revocations (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  grant_id TEXT NOT NULL,
  target TEXT NOT NULL,
  what TEXT NOT NULL CHECK (json_valid(what)),
  queued_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  last_error TEXT,
  done_at INTEGER
) STRICT;
CREATE INDEX revocations_due ON revocations (next_at, position) WHERE done_at IS NULL;

ALTER TABLE outbox ADD COLUMN dead_at INTEGER;
ALTER TABLE outbox ADD COLUMN grant_id TEXT GENERATED ALWAYS AS (CAST(payload ->> '$.grant' AS TEXT)) VIRTUAL;
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (next_at, position) WHERE accepted_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_dead ON outbox (position) WHERE dead_at IS NOT NULL;
CREATE INDEX outbox_grant ON outbox (grant_id, position);
CREATE INDEX outbox_type ON outbox (type, position);
CREATE INDEX outbox_at ON outbox (at, position);

-- Read from the leaf itself, which alone is hashed. A damaged leaf has neither, and still opens (SQLite reads JSON up to a NUL).
ALTER TABLE ledger ADD COLUMN event_type TEXT GENERATED ALWAYS AS (
  CASE WHEN instr(leaf, x'00') = 0 AND json_valid(CAST(leaf AS TEXT)) THEN CAST(CAST(leaf AS TEXT) ->> '$.type' AS TEXT) END
) VIRTUAL;
ALTER TABLE ledger ADD COLUMN event_at INTEGER GENERATED ALWAYS AS (
  CASE WHEN instr(leaf, x'00') = 0 AND json_valid(CAST(leaf AS TEXT)) THEN CAST(CAST(leaf AS TEXT) ->> '$.at' AS INTEGER) END
) VIRTUAL;
CREATE INDEX ledger_type ON ledger (event_type, position, event_at);
CREATE INDEX ledger_at ON ledger (event_at, position);
