import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type IptablesWish, planIptables } from '../../../agent/plan/iptables.ts';
import { parseSaved } from '../../../agent/system/iptables.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';

const mark = 'warren:haaaaaaaaaaaaaaaa';
const wish: IptablesWish = {
  mark,
  tunnel: 'warren0',
  bridges: ['warren-br', 'br-0123456789ab'],
  segmentBridges: [],
  prefixes: [parseCidr('10.210.1.0/24'), parseCidr('fd00:1::/64'), parseCidr('172.20.0.0/16')],
  outside: ['eth0', 'wlan0'],
  listenPort: 51820,
  hasEngine: true,
  publishedMark: '0x08000000',
};

/** What Docker 28 had written when it had one container on its bridge. */
const dockers = `*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -d 10.210.1.128/32 ! -i warren-br -j DROP
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER-USER -s 192.0.2.66/32 -j DROP
COMMIT
`;

function stepsFor(text: string, family: 4 | 6, given: IptablesWish | undefined = wish): string[] {
  const seen = { 4: undefined, 6: undefined, [family]: parseSaved(text) };
  return planIptables(given, mark, seen).map((step) => (step.kind === 'iptables-set' ? step.input : ''));
}

/** A restore in the small: what a table holds after it, as `iptables-save` would print it. */
function restore(saved: string, input: string): string {
  const chains = new Map<string, string[]>();
  const heads: string[] = [];
  let table = '';
  const read = (line: string): void => {
    if (line.startsWith('*')) table = line;
    const [, verb, chain = '', rest = ''] = /^-([AID]) (\S+) (.*)$/.exec(line) ?? [];
    const key = `${table} ${chain}`;
    const rules = chains.get(key) ?? [];
    const rule = verb === 'I' ? rest.replace(/^1 /, '') : rest;
    if (verb === 'A') chains.set(key, [...rules, rule]);
    if (verb === 'I') chains.set(key, [rule, ...rules]);
    if (verb === 'D') {
      assert.ok(rules.includes(rule), `deletes what is not there: ${line}`);
      rules.splice(rules.indexOf(rule), 1);
    }
    if (line.startsWith(':') || line.startsWith('*')) heads.push(`${table}\n${line}`);
  };
  for (const line of `${saved}${input}`.split('\n')) read(line);
  const bodies = [...chains].map(([key, rules]) => {
    const [from = '', chain = ''] = key.split(' ');
    return `${from}\n${rules.map((rule) => `-A ${chain} ${rule}`).join('\n')}`;
  });
  return [...heads, ...bodies].join('\n');
}

test('beside Docker 28 the way into containers stands before its drops, and only from the tunnel', () => {
  const [input = ''] = stepsFor(dockers, 4);
  const plain = input.replaceAll(/ -m comment --comment \S+/g, '');
  assert.equal(
    plain,
    `*raw
-I PREROUTING 1 -d 172.20.0.0/16 -i warren0 -j ACCEPT
-I PREROUTING 1 -d 10.210.1.0/24 -i warren0 -j ACCEPT
COMMIT
*filter
-I DOCKER-USER 1 -i br-0123456789ab -o warren0 -j ACCEPT
-I DOCKER-USER 1 -i warren0 -o br-0123456789ab -j ACCEPT
-I DOCKER-USER 1 -i warren-br -o warren0 -j ACCEPT
-I DOCKER-USER 1 -i warren0 -o warren-br -j ACCEPT
-I DOCKER-USER 1 -m connmark --mark 0x08000000/0x08000000 -j ACCEPT
-A FORWARD -i warren-br -o eth0 -j ACCEPT
-A FORWARD -i warren-br -o wlan0 -j ACCEPT
-A FORWARD -o warren-br -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i br-0123456789ab -o eth0 -j ACCEPT
-A FORWARD -i br-0123456789ab -o wlan0 -j ACCEPT
-A FORWARD -o br-0123456789ab -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
`,
  );
});

test('planning after applying gives no steps, also where Docker came first, flushed, or stands before us', () => {
  const [input = ''] = stepsFor(dockers, 4);
  const settled = restore(dockers, input);
  assert.deepEqual(stepsFor(settled, 4), []);
  const disturbed = restore(settled, '*filter\n-I DOCKER-USER 1 -s 10.0.0.0/8 -j DROP\nCOMMIT\n');
  const [again = ''] = stepsFor(disturbed, 4);
  assert.match(again, /-D DOCKER-USER .*\n-I DOCKER-USER 1/s);
  assert.deepEqual(stepsFor(restore(disturbed, again), 4), []);
});

test('a chain for Docker is made where Docker has none yet, and never flushed where it has', () => {
  const [input = ''] = stepsFor(dockers.replace(/^.*DOCKER-USER.*\n/gm, ''), 4);
  assert.match(input, /^:DOCKER-USER - \[0:0\]$/m);
  assert.doesNotMatch(stepsFor(dockers, 4)[0] ?? '', /^:DOCKER-USER/m);
});

test('a host that lets everything pass and has no engine gets no rule, and one that left loses its own', () => {
  const open = '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n';
  const withoutEngine = { ...wish, hasEngine: false };
  assert.deepEqual(stepsFor(open, 4, withoutEngine), []);
  const [input = ''] = stepsFor(dockers, 4);
  const [removal = ''] = stepsFor(restore(dockers, input), 4, undefined);
  assert.doesNotMatch(removal, /^-[AI]/m);
  assert.deepEqual(stepsFor(restore(restore(dockers, input), removal), 4, undefined), []);
});

/** Without their marks, in the order in which they stand. */
const inserted = (input: string): string[] =>
  input
    .replaceAll(/ -m comment --comment \S+/g, '')
    .split('\n')
    .filter((line) => line.startsWith('-I'))
    .map((line) => line.replace(/^-I (\S+) 1 /, '$1 '))
    .toReversed();

test('a firewall that drops input lets tunnels, echoes, answers and questions for names in, and nothing else', () => {
  const strict = '*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n';
  const bare = { ...wish, hasEngine: false, bridges: ['warren-br'] };
  const answers = (link: string): string => `INPUT -i ${link} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`;
  assert.deepEqual(inserted(stepsFor(strict, 6, bare)[0] ?? ''), [
    'INPUT ! -i warren0 -p udp -m udp --dport 51820 -j ACCEPT',
    answers('warren0'),
    'INPUT -i warren0 -p ipv6-icmp -j ACCEPT',
    answers('warren-br'),
    'INPUT -i warren-br -p ipv6-icmp -j ACCEPT',
    'INPUT -i warren-br -p udp -m udp --dport 53 -j ACCEPT',
    'INPUT -i warren-br -p tcp -m tcp --dport 53 -j ACCEPT',
  ]);
  assert.match(stepsFor(strict, 4, bare)[0] ?? '', /-i warren-br -p icmp -m icmp --icmp-type 8 /);
});

test('where no engine is, what containers send outside stands before everybody, as UFW rejects in a chain of its own', () => {
  const ufw = '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n-A FORWARD -j ufw-reject-forward\nCOMMIT\n';
  const [input = ''] = stepsFor(ufw, 4, { ...wish, hasEngine: false, bridges: ['warren-br'] });
  assert.doesNotMatch(input, /^-A/m);
  assert.deepEqual(inserted(input), [
    'FORWARD -m connmark --mark 0x08000000/0x08000000 -j ACCEPT',
    'FORWARD -i warren0 -o warren-br -j ACCEPT',
    'FORWARD -i warren-br -o warren0 -j ACCEPT',
    'FORWARD -i warren-br -o eth0 -j ACCEPT',
    'FORWARD -i warren-br -o wlan0 -j ACCEPT',
    'FORWARD -o warren-br -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
  ]);
});

test('frames of a bridged segment pass a FORWARD and an INPUT that drop', () => {
  const segment = { ...wish, hasEngine: false, segmentBridges: ['wb-4097'] };
  const strict = '*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n';
  const [input = ''] = stepsFor(strict, 4, segment);
  assert.match(input, /-I FORWARD 1 -i wb-4097 -o wb-4097 .*-j ACCEPT/);
  assert.match(input, /-I INPUT 1 -i warren0 -p udp -m udp --dport 4789 .*-j ACCEPT/);
  assert.doesNotMatch(stepsFor(strict, 4, { ...wish, hasEngine: false }).join(''), /4789|wb-/);
});

test('where nobody asks DOCKER-USER any more, as after iptables -F, the way stands at the head of FORWARD until it is asked', () => {
  const flushed = dockers.replaceAll(/^-A (FORWARD|DOCKER-USER) .*\n/gm, '');
  const [input = ''] = stepsFor(flushed, 4);
  assert.match(input, /^-I FORWARD 1 -i warren0 -o warren-br .*-j ACCEPT$/m);
  const mended = restore(flushed, input);
  assert.deepEqual(stepsFor(mended, 4), []);
  const [back = ''] = stepsFor(mended.replace(/^-A FORWARD/m, '-A FORWARD -j DOCKER-USER\n-A FORWARD'), 4);
  assert.match(back, /^-D FORWARD -i warren0 -o warren-br/m);
});

test('where a last rule drops all instead of the policy, ours stand before it', () => {
  const reject = '-A FORWARD -j REJECT --reject-with icmp-host-prohibited\n';
  const plain = `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n-A INPUT -j DROP\n${reject}COMMIT\n`;
  const given = { ...wish, hasEngine: false, bridges: ['warren-br'] };
  const [input = ''] = stepsFor(plain, 4, given);
  assert.match(input, /^-I FORWARD 1 -i warren-br .*-j ACCEPT$/m);
  assert.match(input, /^-I INPUT 1 -i warren-br -p udp .*--dport 53 .*-j ACCEPT$/m);
  assert.doesNotMatch(input, /^-A/m);
  assert.deepEqual(stepsFor(restore(plain, input), 4, given), []);
  const beside = dockers.replace('-A FORWARD -j DOCKER-FORWARD', `$&\n${reject.trim()}`);
  assert.doesNotMatch(stepsFor(beside, 4)[0] ?? '', /-I FORWARD/);
  const before = dockers.replace('-A FORWARD -j DOCKER-USER', '-A FORWARD -j DROP\n$&');
  assert.match(stepsFor(before, 4)[0] ?? '', /-I FORWARD 1 -i warren0 -o warren-br/);
});
