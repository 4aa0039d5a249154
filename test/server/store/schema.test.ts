import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { migrate } from '../../../server/store/migrate.ts';
import { migrations } from '../../../server/store/migrations/index.ts';

test('all migrations of an empty database lead to schema.sql', () => {
  const migrated = new Database(':memory:');
  migrate(migrated, migrations);
  const expected = new Database(':memory:');
  expected.exec(readFileSync(new URL('../../../server/store/schema.sql', import.meta.url), 'utf8'));
  assert.deepEqual(describe(migrated), describe(expected));
  assert.equal(migrated.pragma('user_version', { simple: true }), migrations.length);
});

test('migrating again changes nothing', () => {
  const database = new Database(':memory:');
  migrate(database, migrations);
  const before = describe(database);
  migrate(database, migrations);
  assert.deepEqual(describe(database), before);
});

test('every table is strict', () => {
  const database = new Database(':memory:');
  migrate(database, migrations);
  const loose = database.prepare(`SELECT name FROM pragma_table_list WHERE strict = 0 AND name NOT LIKE 'sqlite_%'`);
  assert.deepEqual(loose.all(), []);
});

function describe(database: Database.Database): string[] {
  const rows = database.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY type, name').all() as {
    type: string;
    name: string;
    sql: string | null;
  }[];
  return rows.map(({ type, name, sql }) => `${type} ${name} ${plain(sql ?? '')}`);
}

/** Comments and blanks aside; a column added later stands behind a comma of its own. */
const plain = (sql: string): string =>
  sql
    .replace(/--.*$/gm, '')
    .replace(/\s*([(),])\s*/g, '$1')
    .replace(/\s+/g, ' ');
