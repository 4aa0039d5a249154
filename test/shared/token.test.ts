import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../shared/secret.ts';
import { formatToken, parseToken } from '../../shared/token.ts';

const token = {
  serverUrl: 'https://[fd00::1]:8443',
  caPin: Buffer.alloc(32, 7).toString('base64'),
  id: 'tabcdefghijklmn23',
  secret: new Secret(Buffer.alloc(32, 9).toString('base64url')),
};

test('a token survives being written and read, with white space around it', () => {
  const read = parseToken(`  ${formatToken(token)}\n`);
  assert.deepEqual({ ...read, secret: read.secret.reveal() }, { ...token, secret: token.secret.reveal() });
});

test('the text is safe to paste into a shell', () => {
  assert.match(formatToken(token), /^wrt1\.[A-Za-z0-9_-]+$/);
});

test('a truncated, altered or foreign token is refused without being repeated', () => {
  const text = formatToken(token);
  const http = `wrt1.${Buffer.from(JSON.stringify({ u: 'http://x', p: token.caPin, i: token.id, s: 'x' })).toString('base64url')}`;
  for (const bad of [text.slice(0, -3), text.slice(5), '', 'wrt1.', `${text}!`, http, 'wrt1.' + 'A'.repeat(5000)]) {
    assert.throws(
      () => parseToken(bad),
      (error: Error) =>
        error.message.includes('not a whole enrollment token') && !error.message.includes(text.slice(5, 40)),
    );
  }
});
