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

/** What `env` printed in a container of Docker 20.10.24 that was run with `--link web-db:my-db --name reader`. */
const printedByDocker = `
MY_DB_PORT=tcp://172.31.1.2:53
MY_DB_PORT_5000_TCP_START=tcp://172.31.1.2:5000
MY_DB_PORT_5000_TCP_ADDR=172.31.1.2
MY_DB_PORT_5000_TCP_PROTO=tcp
MY_DB_PORT_5000_TCP_PORT_START=5000
MY_DB_PORT_5000_TCP_END=tcp://172.31.1.2:5002
MY_DB_PORT_5000_TCP_PORT_END=5002
MY_DB_PORT_53_TCP=tcp://172.31.1.2:53
MY_DB_PORT_53_TCP_ADDR=172.31.1.2
MY_DB_PORT_53_TCP_PORT=53
MY_DB_PORT_53_TCP_PROTO=tcp
MY_DB_PORT_53_UDP=udp://172.31.1.2:53
MY_DB_PORT_53_UDP_ADDR=172.31.1.2
MY_DB_PORT_53_UDP_PORT=53
MY_DB_PORT_53_UDP_PROTO=udp
MY_DB_PORT_5000_TCP=tcp://172.31.1.2:5000
MY_DB_PORT_5000_TCP_PORT=5000
MY_DB_PORT_5001_TCP=tcp://172.31.1.2:5001
MY_DB_PORT_5001_TCP_ADDR=172.31.1.2
MY_DB_PORT_5001_TCP_PORT=5001
MY_DB_PORT_5001_TCP_PROTO=tcp
MY_DB_PORT_5001_UDP=udp://172.31.1.2:5001
MY_DB_PORT_5001_UDP_ADDR=172.31.1.2
MY_DB_PORT_5001_UDP_PORT=5001
MY_DB_PORT_5001_UDP_PROTO=udp
MY_DB_PORT_5002_TCP=tcp://172.31.1.2:5002
MY_DB_PORT_5002_TCP_ADDR=172.31.1.2
MY_DB_PORT_5002_TCP_PORT=5002
MY_DB_PORT_5002_TCP_PROTO=tcp
MY_DB_PORT_8080_TCP=tcp://172.31.1.2:8080
MY_DB_PORT_8080_TCP_ADDR=172.31.1.2
MY_DB_PORT_8080_TCP_PORT=8080
MY_DB_PORT_8080_TCP_PROTO=tcp
MY_DB_NAME=/reader/my-db
MY_DB_ENV_PG=1
MY_DB_ENV_EMPTY=
MY_DB_ENV_A=b=c
`;

test('ports of both protocols and a run of them are told as a real engine tells them', () => {
  const variables = linkVariables({
    alias: 'my-db',
    reader: 'reader',
    address: '172.31.1.2',
    ports: [
      { port: 5000, protocol: 'tcp' },
      { port: 5001, protocol: 'udp' },
      { port: 5001, protocol: 'tcp' },
      { port: 5002, protocol: 'tcp' },
      { port: 53, protocol: 'udp' },
      { port: 53, protocol: 'tcp' },
      { port: 8080, protocol: 'tcp' },
    ],
    environment: ['PATH=/bin', 'PG=1', 'EMPTY=', 'A=b=c'],
  });
  assert.equal(variables.join('\n'), printedByDocker.trim());
});
