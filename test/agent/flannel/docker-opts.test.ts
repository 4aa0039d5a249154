import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDockerOpts } from '../../../agent/flannel/docker-opts.ts';
import { WarrenError } from '../../../shared/errors.ts';

const file = 'FLANNEL_NETWORK=10.210.0.0/16\nFLANNEL_SUBNET=10.210.1.1/24\nFLANNEL_MTU=1420\nFLANNEL_IPMASQ=true\n';
const form = { isIndividual: false, isCombined: false, isMasqueradeLeftOut: false, key: 'DOCKER_OPTS' };

test('without a choice both forms are written, byte for byte as the script does', () => {
  assert.equal(
    formatDockerOpts(file, form),
    [
      'DOCKER_OPT_BIP="--bip=10.210.1.1/24"',
      'DOCKER_OPT_IPMASQ="--ip-masq=false"',
      'DOCKER_OPT_MTU="--mtu=1420"',
      'DOCKER_OPTS=" --bip=10.210.1.1/24 --ip-masq=false --mtu=1420"',
      '',
    ].join('\n'),
  );
});

test('each form alone, under another name, without masquerading', () => {
  assert.equal(
    formatDockerOpts(file, { ...form, isCombined: true, key: 'DOCKER_NETWORK_OPTIONS', isMasqueradeLeftOut: true }),
    'DOCKER_NETWORK_OPTIONS=" --bip=10.210.1.1/24 --mtu=1420"\n',
  );
  assert.equal(
    formatDockerOpts('FLANNEL_IPMASQ=false\n', { ...form, isIndividual: true }),
    'DOCKER_OPT_IPMASQ="--ip-masq=true"\n',
  );
});

test('nothing of the file is taken that could be more than a value', () => {
  for (const wrong of ['FLANNEL_SUBNET=10.1.1.1/24"; reboot', 'FLANNEL_MTU=$(reboot)', 'FLANNEL_IPMASQ=yes']) {
    assert.throws(() => formatDockerOpts(wrong, form), WarrenError);
  }
  assert.throws(() => formatDockerOpts(file, { ...form, key: 'A B' }), WarrenError);
});
