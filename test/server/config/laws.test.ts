import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { fields } from '../../../server/config/fields.ts';
import { loadServerConfig } from '../../../server/config.ts';
import { loadSettings } from '../../../agent/config.ts';
import { WarrenError } from '../../../shared/errors.ts';
import { temporaryDirectory } from '../store/support.ts';

const names = Object.keys(fields);
const variables = Object.values(fields).map(({ env }) => env);
const nearly = fc.constantFrom(
  '10.86.0.0/16',
  '0',
  '-1',
  '1e3',
  'off',
  'on',
  '0.0.0.0:8443',
  '[::]:1',
  'wrnbackup_',
  '~',
  '|',
  '&a',
  '*a',
  '{',
  '\u0000',
);
const text = fc.oneof(nearly, fc.string(), fc.string({ unit: 'binary' }));
const line = fc
  .tuple(fc.oneof(fc.constantFrom(...names), fc.string()), text)
  .map(([name, value]) => `${name}: ${value}`);
const file = fc.oneof(
  fc.array(line).map((lines) => lines.join('\n')),
  fc.string({ unit: 'binary' }),
);

const isRefusal = (error: unknown): boolean => error instanceof WarrenError && error.code === 'config-invalid';

test('whatever stands in file and environment, the server has a configuration or says what is wrong', async (t) => {
  const config = join(temporaryDirectory(t), 'server.yaml');
  const env = fc.dictionary(fc.constantFrom(...variables), text);
  await fc.assert(
    fc.asyncProperty(file, env, async (content, given) => {
      writeFileSync(config, content);
      try {
        const { listen, mtu } = await loadServerConfig({ flags: { config }, env: given });
        assert.ok(listen.port >= 0 && listen.port <= 65_535 && mtu >= 1280);
      } catch (error) {
        assert.ok(isRefusal(error), String(error));
      }
    }),
    { numRuns: 200 },
  );
});

test('whatever stands in file and environment, the agent has settings or says what is wrong', (t) => {
  const config = join(temporaryDirectory(t), 'agent.yaml');
  const env = fc.dictionary(
    fc.constantFrom(
      'WARREN_INTERFACE',
      'WARREN_BRIDGE',
      'WARREN_LISTEN_PORT',
      'WARREN_DOCKER',
      'WARREN_RELAY_PORTS',
      'WARREN_DNS',
      'WARREN_HOOKS_DIR',
    ),
    text,
  );
  fc.assert(
    fc.property(file, env, (content, given) => {
      writeFileSync(config, content);
      try {
        const { interfaceName } = loadSettings({ flags: { config }, env: given });
        assert.match(interfaceName, /^[A-Za-z0-9_.=-]{1,15}$/);
      } catch (error) {
        assert.ok(error instanceof WarrenError, String(error));
      }
    }),
    { numRuns: 200 },
  );
});
