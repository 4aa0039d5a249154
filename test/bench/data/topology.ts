/**
 * Two hosts on one underlay, each with one container, in network namespaces of the bench's own. Every contender gets a
 * topology of its own, all alike, so that their rounds can be interleaved without one's rules in another's way.
 */
import { ipBatch, run } from '../../support/command.ts';
import { makeNamespace, runInside } from '../../support/namespace.ts';
import { makeUnderlay } from '../../support/underlay.ts';
import { type BenchContext, interfaceOf, namespaceOf } from '../context.ts';

export interface BenchHost {
  /** 1 or 2. */
  readonly number: number;
  readonly namespace: string;
  /** Unique on the machine. */
  readonly interfaceName: string;
  readonly underlay: string;
  readonly container: Container;
}

export interface Container {
  readonly namespace: string;
  /** The prefix its host routes for, its own address and its gateway, where the bench and not Warren chooses them. */
  readonly subnet: string;
  readonly address: string;
  readonly gateway: string;
}

export interface Topology {
  /** The namespace that forwards between the hosts. */
  readonly router: string;
  readonly hosts: readonly [BenchHost, BenchHost];
  /** A third machine on the underlay. */
  readonly server: { readonly namespace: string; readonly address: string };
}

/** `letter` tells this topology from the others of the run. */
export async function createTopology(context: BenchContext, letter: string): Promise<Topology> {
  const server = { namespace: namespaceOf(context, `${letter}s`), address: '10.0.0.2' };
  const hosts = [hostNumber(1, letter, context), hostNumber(2, letter, context)] as const;
  const underlay = await makeUnderlay(namespaceOf(context, `${letter}r`));
  await underlay.connect(server.namespace, server.address);
  for (const host of hosts) {
    await underlay.connect(host.namespace, host.underlay);
    await runInside(host.namespace, ['sysctl', '-qw', 'net.ipv4.ip_forward=1']);
    await makeNamespace(host.container.namespace);
  }
  return { router: underlay.router, hosts, server };
}

function hostNumber(number: number, letter: string, context: BenchContext): BenchHost {
  const net = `10.210.${number}`;
  return {
    number,
    namespace: namespaceOf(context, `${letter}h${number}`),
    interfaceName: interfaceOf(context, `${letter}${number}`),
    underlay: `10.0.0.${10 + number}`,
    container: {
      namespace: namespaceOf(context, `${letter}c${number}`),
      subnet: `${net}.0/24`,
      address: `${net}.2`,
      gateway: `${net}.1`,
    },
  };
}

/** Joins a host's container to a bridge of the host, as a person would by hand. */
export async function plugContainer({ namespace, container }: BenchHost, mtu: number): Promise<void> {
  const lines = [
    'link add br0 type bridge',
    `addr add ${container.gateway}/24 dev br0`,
    `link add ct0 mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${container.namespace}`,
    'link set ct0 master br0 up',
    'link set br0 up',
  ];
  await ipBatch(lines, namespace);
  await ipBatch(
    [`addr add ${container.address}/24 dev eth0`, 'link set eth0 up', `route add default via ${container.gateway}`],
    container.namespace,
  );
}

/** Takes it out again; nothing happens where it was not in. */
export async function unplugContainer({ namespace }: BenchHost): Promise<void> {
  const input = 'link del ct0\nlink del br0\n';
  await run(['ip', '-force', '-n', namespace, '-batch', '-'], { input, okCodes: 'any' });
}
