import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CniError } from '../../../agent/cni/error.ts';
import { readRequest, versionOf } from '../../../agent/cni/request.ts';

const env = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/run/netns/n1',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/a:/b:x',
};
const config = { cniVersion: '1.0.0', name: 'mesh', type: 'warren-cni' };
const read = (changes: object = {}, environment: object = {}) =>
  readRequest({ ...env, ...environment }, JSON.stringify({ ...config, ...changes }));

function codeOf(work: () => unknown): number {
  try {
    work();
  } catch (error) {
    if (error instanceof CniError) return error.code;
    throw error;
  }
  return 0;
}

test('what the runtime says is read, and what is for other plugins stays', () => {
  const request = read(
    { runtimeConfig: { mac: 'C2:11:22:33:44:55', ips: ['10.210.1.9/24'], aliases: { mesh: ['db', 'not a name'] } } },
    { CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=Web_1;K8S_POD_NAMESPACE=x' },
  );
  assert.deepEqual(
    [request.mac, request.addresses, request.services, request.name],
    ['c2:11:22:33:44:55', ['10.210.1.9'], ['db'], 'web_1'],
  );
  assert.deepEqual(request.path, ['/a', '/b']);
  assert.deepEqual(read({}, { CNI_ARGS: 'IP=10.210.1.8,fd00:1::8' }).addresses, ['10.210.1.8', 'fd00:1::8']);
  assert.equal(read({}, { CNI_ARGS: 'K8S_POD_NAME=no.label' }).name, undefined);
});

test('each mistake has its code', () => {
  assert.equal(
    codeOf(() => readRequest(env, '{')),
    6,
  );
  assert.equal(
    codeOf(() => read({ cniVersion: '7.0.0' })),
    1,
  );
  assert.equal(
    codeOf(() => read({ name: '-x' })),
    7,
  );
  assert.equal(
    codeOf(() => read({ segment: 'Not One' })),
    7,
  );
  assert.equal(
    codeOf(() => read({ ipam: { type: '../../bin/sh' } })),
    7,
  );
  assert.equal(
    codeOf(() => read({ runtimeConfig: { mac: '01:00:5e:00:00:01' } })),
    7,
  );
  assert.equal(
    codeOf(() => read({ runtimeConfig: { ips: ['10.1'] } })),
    7,
  );
  for (const [name, value] of [
    ['CNI_COMMAND', 'EVIL'],
    ['CNI_COMMAND', ''],
    ['CNI_CONTAINERID', ''],
    ['CNI_CONTAINERID', '../x'],
    ['CNI_NETNS', ''],
    ['CNI_NETNS', '/run/../etc'],
    ['CNI_NETNS', 'relative'],
    ['CNI_IFNAME', 'much-too-long-a-name'],
    ['CNI_IFNAME', 'a/b'],
    ['CNI_ARGS', 'novalue'],
  ] as const) {
    assert.equal(
      codeOf(() => read({}, { [name]: value })),
      4,
      `${name}=${value}`,
    );
  }
});

test('a command is known from the version on that brought it', () => {
  const at = (cniVersion: string, CNI_COMMAND: string): number => codeOf(() => read({ cniVersion }, { CNI_COMMAND }));
  assert.deepEqual([at('0.3.1', 'CHECK'), at('0.4.0', 'CHECK')], [1, 0]);
  assert.deepEqual([at('1.0.0', 'GC'), at('1.1.0', 'GC'), at('1.0.0', 'STATUS'), at('1.1.0', 'STATUS')], [1, 0, 1, 0]);
  assert.deepEqual([at('0.1.0', 'ADD'), at('0.1.0', 'DEL')], [0, 0]);
});

test('DEL needs no namespace, and GC no container', () => {
  assert.equal(read({}, { CNI_COMMAND: 'DEL', CNI_NETNS: '' }).netns, '');
  const none = { CNI_COMMAND: 'GC', CNI_CONTAINERID: undefined, CNI_NETNS: undefined, CNI_IFNAME: undefined };
  assert.equal(read({ cniVersion: '1.1.0' }, none).containerId, '');
});

test('whatever stands on standard input and in the environment, the outcome is a request or an error with a code', () => {
  const text = fc.oneof(fc.string(), fc.json(), fc.constant(JSON.stringify(config)));
  fc.assert(
    fc.property(
      text,
      fc.dictionary(fc.constantFrom(...Object.keys(env), 'CNI_ARGS'), fc.string()),
      (input, changes) => {
        codeOf(() => readRequest({ ...env, ...changes }, input));
        versionOf(input);
      },
    ),
  );
});
