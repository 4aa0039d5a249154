-- The schema after all migrations, for reading; a test holds it and the migrations together.
CREATE TABLE meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch TEXT NOT NULL,
  revision INTEGER NOT NULL,
  -- Deltas reach back to this revision; older tombstones are gone.
  oldest_revision INTEGER NOT NULL,
  -- The revision at which settings or pools last changed.
  mesh_revision INTEGER NOT NULL,
  ula TEXT NOT NULL,
  mtu INTEGER NOT NULL,
  keepalive_seconds INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  checked_at INTEGER NOT NULL,
  domain TEXT NOT NULL DEFAULT 'warren.internal'
) STRICT;

CREATE TABLE token (
  id TEXT PRIMARY KEY,
  name TEXT,
  secret_hash BLOB NOT NULL,
  uses INTEGER NOT NULL CHECK (uses > 0),
  used INTEGER NOT NULL DEFAULT 0 CHECK (used >= 0 AND used <= uses),
  tags TEXT NOT NULL CHECK (json_valid(tags)),
  is_auto_approve INTEGER NOT NULL CHECK (is_auto_approve IN (0, 1)),
  is_ephemeral INTEGER NOT NULL CHECK (is_ephemeral IN (0, 1)),
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER
) STRICT;
CREATE INDEX token_by_age ON token (created_at, id);

CREATE TABLE api_key (
  id TEXT PRIMARY KEY,
  name TEXT,
  secret_hash BLOB NOT NULL,
  scope TEXT NOT NULL CHECK (scope IN ('read', 'operator', 'admin')),
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  last_used_at INTEGER,
  revoked_at INTEGER
) STRICT;
CREATE INDEX api_key_by_age ON api_key (created_at, id);

CREATE TABLE host (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL CHECK (state IN ('registered', 'pending', 'active', 'disabled')),
  tags TEXT NOT NULL CHECK (json_valid(tags)),
  public_key TEXT UNIQUE,
  -- SHA-256 of the SubjectPublicKeyInfo of the host's identity key.
  identity_spki TEXT UNIQUE,
  listen_port INTEGER CHECK (listen_port BETWEEN 1 AND 65535),
  declared_endpoints TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(declared_endpoints)),
  local_endpoints TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(local_endpoints)),
  observed_endpoints TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(observed_endpoints)),
  is_ephemeral INTEGER NOT NULL DEFAULT 0 CHECK (is_ephemeral IN (0, 1)),
  is_gone INTEGER NOT NULL DEFAULT 0 CHECK (is_gone IN (0, 1)),
  is_rotation_due INTEGER NOT NULL DEFAULT 0 CHECK (is_rotation_due IN (0, 1)),
  created_at INTEGER NOT NULL,
  enrolled_at INTEGER,
  last_seen_at INTEGER,
  applied_revision INTEGER,
  agent_version TEXT,
  token_id TEXT REFERENCES token (id) ON DELETE SET NULL,
  -- The revision at which what other hosts know of this one last changed.
  map_revision INTEGER NOT NULL DEFAULT 0,
  version INTEGER NOT NULL DEFAULT 1,
  -- What runs there and can be named, as every host is told.
  workloads TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(workloads)),
  -- Where other hosts see its packets come from, best first.
  mapped_endpoints TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(mapped_endpoints)),
  nat TEXT NOT NULL DEFAULT 'unknown' CHECK (nat IN ('unknown', 'none', 'easy', 'symmetric')),
  is_relay INTEGER NOT NULL DEFAULT 0 CHECK (is_relay IN (0, 1)),
  -- Where a relay takes in hosts that no UDP packet reaches.
  tls_port INTEGER CHECK (tls_port BETWEEN 1 AND 65535)
) STRICT;
CREATE INDEX host_by_age ON host (created_at, id);
CREATE INDEX host_by_map_revision ON host (map_revision);
CREATE INDEX host_by_state ON host (state, id);
CREATE INDEX host_by_token ON host (token_id);

CREATE TABLE tombstone (
  host_id TEXT PRIMARY KEY,
  revision INTEGER NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX tombstone_by_revision ON tombstone (revision);

CREATE TABLE certificate (
  serial TEXT PRIMARY KEY,
  host_id TEXT NOT NULL REFERENCES host (id) ON DELETE CASCADE,
  spki_hash TEXT NOT NULL,
  not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL,
  revoked_at INTEGER
) STRICT;
CREATE INDEX certificate_by_host ON certificate (host_id, not_after);
CREATE INDEX certificate_by_end ON certificate (not_after);

CREATE TABLE pool (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('overlay', 'container')),
  family INTEGER NOT NULL CHECK (family IN (4, 6)),
  prefix TEXT NOT NULL UNIQUE,
  lease_length INTEGER NOT NULL,
  -- Where the search for a free slot goes on, so that a freed prefix rests before it is used again.
  next_slot INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE lease (
  pool_id TEXT NOT NULL REFERENCES pool (id),
  slot INTEGER NOT NULL CHECK (slot >= 0),
  host_id TEXT NOT NULL REFERENCES host (id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('overlay', 'container')),
  family INTEGER NOT NULL CHECK (family IN (4, 6)),
  prefix TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (pool_id, slot),
  UNIQUE (host_id, kind, family)
) STRICT;

CREATE TABLE subnet (
  id TEXT PRIMARY KEY,
  host_id TEXT NOT NULL REFERENCES host (id) ON DELETE CASCADE,
  prefix TEXT NOT NULL,
  weight INTEGER NOT NULL CHECK (weight BETWEEN 0 AND 65535),
  state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'rejected')),
  created_at INTEGER NOT NULL,
  version INTEGER NOT NULL DEFAULT 1,
  UNIQUE (host_id, prefix)
) STRICT;
CREATE INDEX subnet_by_age ON subnet (created_at, id);
CREATE INDEX subnet_by_prefix ON subnet (prefix);

CREATE TABLE publication (
  id TEXT PRIMARY KEY,
  service TEXT NOT NULL,
  target_port INTEGER NOT NULL CHECK (target_port BETWEEN 1 AND 65535),
  protocol TEXT NOT NULL CHECK (protocol IN ('tcp', 'udp')),
  port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
  -- Null: on every host.
  host_id TEXT REFERENCES host (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX publication_by_age ON publication (created_at, id);
CREATE INDEX publication_by_port ON publication (port, protocol);
CREATE INDEX publication_by_host ON publication (host_id);

CREATE TABLE segment (
  name TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('routed', 'bridged')),
  vni INTEGER UNIQUE CHECK (vni BETWEEN 1 AND 16777215),
  created_at INTEGER NOT NULL,
  CHECK ((kind = 'bridged') = (vni IS NOT NULL))
) STRICT;
CREATE INDEX segment_by_age ON segment (created_at, name);

CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT,
  detail TEXT NOT NULL CHECK (json_valid(detail)),
  revision INTEGER NOT NULL
) STRICT;

CREATE TABLE idempotency (
  key_hash BLOB PRIMARY KEY,
  request_hash BLOB NOT NULL,
  -- Encrypted under a key that only the caller's Idempotency-Key gives, because a reply may hold a secret.
  reply BLOB NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE secret (
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE lock_entry (
  n INTEGER PRIMARY KEY CHECK (n >= 0),
  body TEXT NOT NULL,
  signature TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  added_at INTEGER NOT NULL
) STRICT;
