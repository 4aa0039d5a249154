/** Lines for the inside of an attached interface. */
import { WarrenError } from '../../shared/errors.ts';
import { isOnLink } from '../plan/attachment-inside.ts';
import type { AttachmentSpec } from '../plan/settings.ts';
import type { AttachmentSet } from '../plan/step.ts';
import { runBatch } from '../system/ip.ts';
import type { System } from '../system/run.ts';
import { withoutDad } from './batch.ts';

function insideLines(step: AttachmentSet): string[] {
  const { spec } = step;
  const name = spec.interfaceName;
  return [
    ...(step.mtu === undefined ? [] : [`link set dev ${name} mtu ${step.mtu}`]),
    ...step.addAddresses.map((address) => `addr add ${address} dev ${name}${withoutDad(address)}`),
    ...(step.isUp === undefined ? [] : [`link set dev ${name} up`]),
    ...step.removeAddresses.map((address) => `addr del ${address} dev ${name}`),
    ...(step.noticeMac === undefined ? [] : [`link set dev ${name} address ${step.noticeMac}`]),
    ...step.gateways.flatMap((gateway) => [
      ...(isOnLink(spec, gateway) ? [] : [`route replace ${gateway}/${gateway.includes(':') ? 128 : 32} dev ${name}`]),
      `route replace default via ${gateway} dev ${name}`,
    ]),
    ...(step.routes ?? []).map(
      ({ prefix, gateway }) => `route replace ${prefix}${gateway === undefined ? '' : ` via ${gateway}`} dev ${name}`,
    ),
  ];
}

/** An engine switches IPv6 off in a container that has none of its own; for this interface it is switched on. */
export async function runInside(system: System, step: AttachmentSet, first: readonly string[] = []): Promise<void> {
  const { netnsPath, interfaceName } = step.spec;
  await runOrThrow(system, first, netnsPath);
  const isNews = step.isUp === true || step.addAddresses.length > 0;
  if (isNews) await switchOn(system, step.spec, notices);
  const lines = insideLines(step);
  const { failures } = await runBatch(system, lines, netnsPath);
  if ([...failures.values()].some((said) => said.includes('IPv6 is disabled'))) {
    await system.run({
      argv: ['nsenter', `--net=${netnsPath}`, 'sysctl', '-q', '-w', `net/ipv6/conf/${interfaceName}/disable_ipv6=0`],
    });
    if (isNews) await switchOn(system, step.spec, notices);
    const again = [...failures.keys()].map((line) => lines[line] ?? '');
    await runOrThrow(system, again, netnsPath);
  } else throwFirst(lines, failures);
}

/** With these the kernel tells neighbours of the link's addresses, by ARP and neighbour advertisement, when it comes up. */
const notices = ['ipv4/conf/*/arp_notify', 'ipv6/conf/*/ndisc_notify'] as const;

/** A kernel or a container without IPv6 has no such switch; where it may not be set, neighbours find out by themselves. */
async function switchOn(
  system: System,
  { netnsPath, interfaceName }: AttachmentSpec,
  paths: readonly string[],
): Promise<void> {
  const settings = paths.map((path) => `net/${path.replace('*', interfaceName)}=1`);
  await system.run({
    argv: ['nsenter', `--net=${netnsPath}`, 'sysctl', '-e', '-q', '-w', ...settings],
    okCodes: [0, 1, 255],
  });
}

export async function runOrThrow(system: System, lines: readonly string[], netnsPath?: string): Promise<void> {
  const { failures } = await runBatch(system, lines, netnsPath);
  throwFirst(lines, failures);
}

function throwFirst(lines: readonly string[], failures: ReadonlyMap<number, string>): void {
  const [first] = failures;
  if (first === undefined) return;
  const [line, said] = first;
  throw new WarrenError('command-failed', `'ip ${lines[line] ?? ''}' failed: ${said}`);
}
