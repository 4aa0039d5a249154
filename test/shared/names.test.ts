import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  hostNameSchema,
  labelSchema,
  parseHostName,
  parseInstanceName,
  parseInterfaceName,
  tagsSchema,
} from '../../shared/names.ts';

test('host names are one lower-case DNS label', () => {
  for (const text of ['a', 'web-1', '0db', 'a'.repeat(63)]) assert.equal(parseHostName(text), text);
  const bad = [
    '',
    '-a',
    'a-',
    'Web',
    'a.b',
    'a_b',
    'ä',
    'a'.repeat(64),
    'a\n',
    'all',
    'localhost',
    'web1\n[Peer]',
    '"; x',
  ];
  for (const text of bad) assert.throws(() => parseHostName(text), { code: 'name-invalid' }, JSON.stringify(text));
});

test('the schema gives the same message as the parser', () => {
  const parsed = hostNameSchema.safeParse('Web');
  assert.match(parsed.error?.issues[0]?.message ?? '', /use 1 to 63 of a-z/);
});

test('interface and instance names fit the kernel and each other', () => {
  assert.equal(parseInterfaceName('warren0'), 'warren0');
  for (const text of ['', '0a', 'a'.repeat(16), 'a/b', 'a.b', '..', 'a b']) {
    assert.throws(() => parseInterfaceName(text), { code: 'name-invalid' }, text);
  }
  parseInterfaceName(`wrb-${parseInstanceName('a'.repeat(11))}`);
  assert.throws(() => parseInstanceName('a'.repeat(12)), { code: 'name-invalid' });
});

test('labels hold no quotes, control characters or markup, and tags stand once', () => {
  assert.ok(labelSchema.safeParse('rack 7, left'.replace(',', '')).success);
  for (const text of ['<b>', 'a"b', "a'b", 'a\nb', '-x', '', 'a`b', 'a$b'])
    assert.ok(!labelSchema.safeParse(text).success, text);
  assert.ok(!tagsSchema.safeParse(['a', 'a']).success);
});
