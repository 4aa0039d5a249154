import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkVariables } from '../../../agent/names/link-variables.ts';

test('a service with one port and an environment', () => {
  const variables = linkVariables({
    alias: 'my-db',
    reader: 'web',
    address: '172.17.0.5',
    ports: [{ port: 5432, protocol: 'tcp' }],
    environment: ['PATH=/bin', 'PG=1', 'HOME=/', 'EMPTY=', 'A=b=c'],
  });
  assert.deepEqual(variables, [
    'MY_DB_PORT=tcp://172.17.0.5:5432',
    'MY_DB_PORT_5432_TCP=tcp://172.17.0.5:5432',
    'MY_DB_PORT_5432_TCP_ADDR=172.17.0.5',
    'MY_DB_PORT_5432_TCP_PORT=5432',
    'MY_DB_PORT_5432_TCP_PROTO=tcp',
    'MY_DB_NAME=/web/my-db',
    'MY_DB_ENV_PG=1',
    'MY_DB_ENV_EMPTY=',
    'MY_DB_ENV_A=b=c',
  ]);
});

test('no port at all leaves the name alone', () => {
  assert.deepEqual(linkVariables({ alias: 'db', reader: 'web', address: '10.0.0.1', ports: [], environment: [] }), [
    'DB_NAME=/web/db',
  ]);
});
