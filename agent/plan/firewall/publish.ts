/**
 * Published ports: a port of this host that leads to one of a service's healthy instances, chosen anew for each
 * connection. A local instance sees the client's own address. A remote one sees this host's overlay address, because its
 * answers must come back this way; so does one that a container on the same bridge calls. Established connections stay
 * where they are when instances come and go, for only their first packet asks.
 */
import type { Address } from '../../../shared/net/address.ts';
import { type Cidr, containsAddress } from '../../../shared/net/cidr.ts';
import type { Publication, Workload } from '../../../shared/workload.ts';
import { type TablePart, baseChain, chain } from '../nft-table.ts';
import { type FirewallInput, publishedMark } from './input.ts';
import { isV4 } from './sets.ts';

export interface PublishedPort {
  readonly publication: Publication;
  /** Of both families, sorted. */
  readonly instances: readonly Address[];
}

export function publishedPorts({
  publications,
  workloads,
}: Pick<FirewallInput, 'publications' | 'workloads'>): PublishedPort[] {
  return publications.map((publication) => ({ publication, instances: instancesOf(publication.service, workloads) }));
}

export function instancesOf(service: string, workloads: readonly Workload[]): Address[] {
  const isInstance = (one: Workload): boolean =>
    one.isHealthy && (one.name === service || one.services.some((name) => name === service));
  return [...new Set(workloads.filter(isInstance).flatMap(({ addresses }) => addresses))].sort();
}

const mark = `ct mark and ${publishedMark} == ${publishedMark}`;

export function publishChains(input: FirewallInput): TablePart[] {
  return [...leadingChains(input), ...refusingChain(input)];
}

function leadingChains(input: FirewallInput): TablePart[] {
  const ports = publishedPorts(input).filter(({ instances }) => instances.length > 0);
  if (ports.length === 0) return [];
  const spared = sparedNames(input);
  const { settings, addresses } = input;
  const jumps = ports.map(
    ({ publication }) =>
      `fib daddr type local ${publication.protocol} dport ${publication.port} jump ${nameOf(publication)}`,
  );
  return [
    ...ports.map((port) => portChain(port, input.served)),
    // Before Docker's own at -100.
    baseChain('publish', { type: 'nat', hook: 'prerouting', priority: -110 }, [...spared, ...jumps]),
    baseChain('publish_here', { type: 'nat', hook: 'output', priority: -110 }, [
      // A packet from a loopback address never leaves this machine; what listens there keeps its port.
      'ip daddr 127.0.0.0/8 return',
      'ip6 daddr ::1 return',
      ...spared,
      ...jumps,
    ]),
    baseChain('publish_back', { type: 'nat', hook: 'postrouting', priority: 98 }, [
      ...addresses.map(
        (address) =>
          `oifname "${settings.interfaceName}" ${mark} meta nfproto ${isV4(address) ? 'ipv4 snat ip' : 'ipv6 snat ip6'} to ${address}`,
      ),
      `oifname "${settings.bridgeName}" ${mark} ip saddr @lease4 masquerade`,
      `oifname "${settings.bridgeName}" ${mark} ip6 saddr @lease6 masquerade`,
    ]),
  ];
}

/**
 * A port without instances refuses, whatever another firewall of this host does with what it does not know: who asks
 * must not wait. On this host's own loopback addresses the port is not Warren's.
 */
function refusingChain(input: FirewallInput): TablePart[] {
  const rules = publishedPorts(input).flatMap(({ publication: { protocol, port }, instances }) => {
    const refusal = protocol === 'tcp' ? 'reject with tcp reset' : 'reject with icmpx port-unreachable';
    const rule = (family: string): string =>
      `iifname != "lo" meta nfproto ${family} ct state new ${protocol} dport ${port} ${refusal}`;
    const isEmpty = (isOfFamily: (address: Address) => boolean): boolean => !instances.some(isOfFamily);
    return [...(isEmpty(isV4) ? [rule('ipv4')] : []), ...(isEmpty((address) => !isV4(address)) ? [rule('ipv6')] : [])];
  });
  if (rules.length === 0) return [];
  return [
    baseChain('publish_none', { type: 'filter', hook: 'input', priority: -10 }, [...sparedNames(input), ...rules]),
  ];
}

/** The agent's own name server keeps its port on the gateway. */
function sparedNames({ publications, gateways, local }: FirewallInput): string[] {
  if (local.resolvers === undefined || !publications.some(({ port }) => port === namesPort)) return [];
  return gateways.map(
    (gateway) =>
      `${isV4(gateway) ? 'ip' : 'ip6'} daddr ${gateway} meta l4proto { tcp, udp } th dport ${namesPort} return`,
  );
}

const namesPort = 53;

/** Let through by this table's own checks, whatever the service's host is. */
export const publishedAccept = `${mark} accept`;

function portChain({ publication, instances }: PublishedPort, served: readonly Cidr[]): TablePart {
  const { protocol, targetPort } = publication;
  const choose = (family: 'ip' | 'ip6', list: readonly Address[], caller?: Address): string => {
    const choices = list.map((address, i) => `${i} : ${address}`).join(', ');
    const target = `numgen random mod ${list.length} map { ${choices} } : ${targetPort}`;
    const who =
      caller === undefined ? `meta nfproto ${family === 'ip' ? 'ipv4' : 'ipv6'}` : `${family} saddr ${caller}`;
    return `${who} meta l4proto ${protocol} dnat ${family} to ${target}`;
  };
  const to = (family: 'ip' | 'ip6', list: readonly Address[]): string[] => [
    ...callersAmong(list, served).map((caller) =>
      choose(
        family,
        list.filter((one) => one !== caller),
        caller,
      ),
    ),
    ...(list.length === 0 ? [] : [choose(family, list)]),
  ];
  return chain(nameOf(publication), [
    `ct mark set ct mark or ${publishedMark}`,
    ...to('ip', instances.filter(isV4)),
    ...to(
      'ip6',
      instances.filter((address) => !isV4(address)),
    ),
  ]);
}

/**
 * This host's own instances, which get another one than themselves: a bridge whose packets pass the IP rules
 * (`br_netfilter`) gives none back by the port it came from. As many as the rules stay short with.
 */
function callersAmong(instances: readonly Address[], served: readonly Cidr[]): Address[] {
  if (instances.length < 2) return [];
  const local = instances.filter((address) => served.some((prefix) => containsAddress(prefix, address)));
  return local.slice(0, Math.floor(mostChoices / instances.length));
}

/** Of the callers of one port together. */
const mostChoices = 4096;

const nameOf = ({ protocol, port }: Publication): string => `publish_${protocol}_${port}`;
