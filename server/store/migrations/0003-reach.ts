/** What hosts find out of the way to them, and which of them relay for others. */
export const reach = `
ALTER TABLE host ADD COLUMN mapped_endpoints TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(mapped_endpoints));
ALTER TABLE host ADD COLUMN nat TEXT NOT NULL DEFAULT 'unknown' CHECK (nat IN ('unknown', 'none', 'easy', 'symmetric'));
ALTER TABLE host ADD COLUMN is_relay INTEGER NOT NULL DEFAULT 0 CHECK (is_relay IN (0, 1));
`;
