-- Finished inner nodes of the ledger's tree (RFC 6962 §2.1): level 1 joins two leaves. A proof is read from some dozens of
-- them. Rebuilt from the leaves at start where any is missing.
CREATE TABLE ledger_nodes (
  level INTEGER NOT NULL CHECK (level > 0),
  position INTEGER NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (level, position)
) STRICT, WITHOUT ROWID;
