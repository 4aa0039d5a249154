/** The demo's last words: tables for people, made from the facts alone. */
import type { LabHost } from '../support/lab-host.ts';
import type { Display } from './display.ts';
import { type Facts, type PathFact, problemsIn } from './facts.ts';

export function showReport(facts: Facts, display: Display): void {
  display.heading('What the wire between the hosts saw');
  display.text(wireLines(facts, display).join('\n'));
  display.heading('Round trip between containers, milliseconds (row calls column)');
  for (const family of [4, 6] as const) display.text(latencyTable(facts.paths, family, display).join('\n'));
  display.heading('Facts');
  display.text(factLines(facts).join('\n'));
  const problems = problemsIn(facts);
  const verdict = problems.length === 0 ? display.paint('green', '  ✔ all of it held') : '';
  display.text(verdict || problems.map((problem) => display.paint('red', `  ✖ ${problem}`)).join('\n'));
}

function wireLines({ wire }: Facts, display: Display): string[] {
  const { wireguard, control, neighbours, other } = wire.packets;
  const absent = wire.markerOnWire === 0 ? 'nowhere on the wire' : `${wire.markerOnWire} times on the wire`;
  return [
    `  WireGuard ${wireguard}, control (TLS) ${control}, neighbour discovery ${neighbours}, anything else ${other} packets`,
    `  the marker ${display.paint('bold', wire.marker)}: ${wire.markerInside} times inside the containers, ${absent}`,
  ];
}

function latencyTable(paths: readonly PathFact[], family: 4 | 6, display: Display): string[] {
  const names = [...new Set(paths.map((path) => path.from))];
  const width = Math.max(7, ...names.map((name) => name.length + 1));
  const cell = (from: string, to: string): string => {
    const path = paths.find((one) => one.from === from && one.to === to && one.family === family);
    if (path === undefined) return display.paint('dim', '-'.padStart(width));
    const text = path.isReached && path.isRealSource ? (path.latencyMs ?? NaN).toFixed(2) : '✖';
    return display.paint(text === '✖' ? 'red' : 'green', text.padStart(width));
  };
  const head = `  ${`IPv${family}`.padEnd(width)}${names.map((name) => name.padStart(width)).join('')}`;
  const rows = names.map((from) => `  ${from.padEnd(width)}${names.map((to) => cell(from, to)).join('')}`);
  return [display.paint('dim', head), ...rows];
}

function factLines(facts: Facts): string[] {
  const reached = facts.paths.filter((path) => path.isReached && path.isRealSource).length;
  return [
    ['containers', facts.containers],
    ['WireGuard', facts.backend],
    ['paths that work', `${reached} of ${facts.paths.length}, each with its real source address`],
    ['last join to its container reaching all others', `${facts.joinToPacketSeconds.toFixed(1)} s`],
    ...facts.throughput.map((one) => [`${one.from} to ${one.to}`, `${one.megabitsPerSecond} Mbit/s, one TCP stream`]),
    ...facts.disturbances.map((one) => [
      one.what,
      `${one.lost} of ${one.sent} packets lost, longest round trip ${one.longestMs.toFixed(0)} ms`,
    ]),
  ].map(([name = '', value = '']) => `  ${name.padEnd(48)}${value}`);
}

/** Each host's own words. */
export async function showStatus(hosts: readonly LabHost[], display: Display): Promise<void> {
  for (const host of hosts) {
    display.heading(`${host.name}: warren status`);
    const { stdout, stderr } = await host.warren(['status'], { okCodes: 'any' });
    display.text(`${stdout}${stderr}`.trimEnd().replaceAll(/^/gm, '  '));
  }
}

export function showWaysIn(hosts: readonly LabHost[], dir: string, display: Display): void {
  const [first] = hosts;
  const container = first?.containers[0];
  const other = hosts.at(-1)?.containers[0];
  if (first === undefined || container === undefined || other === undefined) return;
  display.heading('It stays up until Ctrl-C. To look around, in another terminal, as root:');
  const enter = `nsenter --net=/run/netns/${container.namespace}`;
  const env = `WARREN_STATE_DIR=${first.stateDir} WARREN_RUN_DIR=${first.runDir} WARREN_INTERFACE=${first.interfaceName}`;
  display.text(
    [
      `  ${display.paint('dim', '# be a container, call another one')}`,
      `  ${enter} ping ${other.addresses[0] ?? ''}`,
      `  ${display.paint('dim', '# be host h1')}`,
      `  ${env} nsenter --net=/run/netns/${first.namespace} ${first.program.join(' ')} status`,
      `  ${display.paint('dim', '# all namespaces; logs and state are in ' + dir)}`,
      `  ip netns list`,
    ].join('\n'),
  );
}
