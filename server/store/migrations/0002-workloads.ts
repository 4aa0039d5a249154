/** What runs on hosts, ports that lead to it, segments, and the zone all of it has names in. */
export const workloads = `
ALTER TABLE host ADD COLUMN workloads TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(workloads));
ALTER TABLE meta ADD COLUMN domain TEXT NOT NULL DEFAULT 'warren.internal';

-- Maps and lists are read by state in order of id; without the id each part of one would sort all hosts anew.
DROP INDEX host_by_state;
CREATE INDEX host_by_state ON host (state, id);

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
`;
