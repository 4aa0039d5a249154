import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { pino } from 'pino';
import { watchForBugs } from '../../agent/bugs.ts';

test('the first mistake ends the agent once, and each is told with its stack', () => {
  const process = new EventEmitter();
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  let ends = 0;
  const bugs = watchForBugs({ process, log, end: () => (ends += 1) });
  assert.equal(bugs.found(), undefined);
  const first = new TypeError('x is not a function');
  process.emit('unhandledRejection', first);
  process.emit('uncaughtException', new Error('another'));
  process.emit('unhandledRejection', 'only a text');
  assert.equal(ends, 1);
  assert.equal(bugs.found(), first);
  const told = lines.map((line) => JSON.parse(line) as { level: number; err: { message: string; stack: string } });
  assert.deepEqual(
    told.map(({ level, err }) => [level, err.message]),
    [
      [60, 'x is not a function'],
      [60, 'another'],
      [60, 'only a text'],
    ],
  );
  assert.match(told[0]?.err.stack ?? '', /bugs\.test/);
  bugs.stop();
  assert.equal(process.listenerCount('unhandledRejection') + process.listenerCount('uncaughtException'), 0);
});
