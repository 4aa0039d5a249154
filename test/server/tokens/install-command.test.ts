import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { installCommand } from '../../../server/tokens/install-command.ts';

const serverPin = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';

test('the install command is one line that pins the server key and keeps the token out of arguments', () => {
  const command = installCommand({ serverUrl: 'https://warren.example.org:8443', serverPin, token: 'wrt1.abc-_' });
  assert.equal(
    command,
    `curl -fsSL --proto '=https' -k --pinnedpubkey 'sha256//${serverPin}' ` +
      `'https://warren.example.org:8443/install.sh' | WARREN_TOKEN=wrt1.abc-_ sh`,
  );
});

test('a shell reads the url of the install command as one word, whatever is in it', () => {
  for (const serverUrl of ['https://[2001:db8::1]:8443', 'https://a$b`c`;d&e.example:1']) {
    const command = installCommand({ serverUrl, serverPin, token: 'wrt1.abc' });
    const script = `curl() { printf '%s\\n' "$@" >&2; }; ${command.replace(/ sh$/, ' true')}`;
    const seen = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
    assert.equal(seen.stderr.trim().split('\n').at(-1), `${serverUrl}/install.sh`);
  }
});

test('a url that would end the quotes is refused', () => {
  const act = (): string => installCommand({ serverUrl: "https://a'b.example:1", serverPin, token: 'wrt1.abc' });
  assert.throws(act, { code: 'config-invalid' });
});
