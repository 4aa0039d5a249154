import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { pino } from 'pino';
import { Secret } from '../../shared/secret.ts';

test('a secret shows nowhere unless it is revealed', () => {
  const secret = new Secret('hunter2');
  const lines: string[] = [];
  pino({}, { write: (line: string) => lines.push(line) }).info({ deep: { er: { secret } } }, 'x');
  const shown = [
    JSON.stringify({ secret }),
    // oxlint-disable-next-line typescript/restrict-template-expressions -- what a careless template would print
    `${secret}`,
    String(secret),
    inspect({ secret }, { depth: 9 }),
    ...lines,
  ].join('');
  assert.ok(!shown.includes('hunter2'));
  assert.equal(secret.reveal(), 'hunter2');
});
