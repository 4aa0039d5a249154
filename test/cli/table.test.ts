import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fieldTable, formatTable, readable } from '../../cli/table.ts';

const plain = { isColored: false, width: undefined };

test('columns are aligned and nothing trails', () => {
  const table = {
    columns: ['name', 'id'],
    rows: [
      ['web-1', 'h1'],
      ['a', 'h22'],
    ],
  };
  assert.equal(formatTable(table, plain), 'NAME   ID\nweb-1  h1\na      h22\n');
});

test('what is missing shows as a dash', () => {
  assert.equal(formatTable({ columns: ['a', 'b', 'c'], rows: [[null, '', undefined]] }, plain), 'A  B  C\n-  -  -\n');
});

test('an empty list still prints its headers', () => {
  assert.equal(formatTable({ columns: ['name'], rows: [] }, plain), 'NAME\n');
});

test('headers are bold where colour is wanted, rows never', () => {
  const text = formatTable({ columns: ['name'], rows: [['x']] }, { isColored: true, width: undefined });
  assert.equal(text, '\u001b[1mNAME\u001b[22m\nx\n');
});

test('on a narrow terminal the widest column is cut, and only as far as needed', () => {
  const table = { columns: ['name', 'detail'], rows: [['short', 'x'.repeat(40)]] };
  const lines = formatTable(table, { isColored: false, width: 30 }).trimEnd().split('\n');
  assert.ok(lines.every((line) => line.length <= 30));
  assert.equal(lines[1], `short  ${'x'.repeat(22)}…`);
});

test('fields of one thing are never cut', () => {
  const key = 'k'.repeat(44);
  const text = formatTable(fieldTable({ name: 'a', 'public key': key }), { isColored: false, width: 20 });
  assert.equal(text, `name:        a\npublic key:  ${key}\n`);
});

test('no value moves the cursor or makes a line of its own', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 5 }), (values) => {
      const text = formatTable({ columns: values.map((_, i) => `c${i}`), rows: [values] }, plain);
      assert.equal(text.split('\n').length, 3);
      // oxlint-disable-next-line no-control-regex -- they are what must not be there
      assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
    }),
  );
});

test('text keeps its lines but no escape sequences', () => {
  assert.equal(readable('one\n\u001b[31mtwo\r'), 'one\n?[31mtwo?');
});
