/**
 * Makes the wanted state of this host of its map. A host that is not in its own map (removed, disabled, not approved)
 * keeps the links it has and loses addresses, peers and routes.
 */
import type { NetworkMap } from '../../shared/network-map.ts';
import { desireSegments } from './bridged.ts';
import { desiredAttachments } from './desire/attachments.ts';
import { believe } from './desire/believed.ts';
import { deadPrefixes, judgeHosts } from './desire/judged.ts';
import { desiredBridge, ownPrefixes } from './desire/own.ts';
import { believePeers, orderCandidates } from './desire/peers.ts';
import { desiredPeers, desiredRoutes, narrowRoutes, tunnelMtu } from './desire/tunnel.ts';
import type { Desired, Refusal } from './desired.ts';
import { firewallInput, iptablesWish, refusedPublications } from './firewall/wish.ts';
import { publishedPorts } from './firewall/publish.ts';
import { planBridgeTable, planTable } from './firewall/table.ts';
import type { LocalFacts } from './local.ts';
import type { Observed } from './observed.ts';
import { prefixOfOne } from './ranges.ts';
import { desireFirewalld } from './firewalld.ts';
import { bridgesOf } from './firewall/input.ts';
import { desireResolver } from './resolver.ts';
import { type AttachmentSpec, type HostSettings, linkMark } from './settings.ts';
import { readUnderlay } from './underlay.ts';

export interface Desire {
  readonly desired: Desired;
  readonly refusals: readonly Refusal[];
}

/** What the wanted state follows from, besides what the underlay looks like. */
export interface Wish {
  readonly map: NetworkMap;
  readonly settings: HostSettings;
  readonly attachments: readonly AttachmentSpec[];
  readonly local: LocalFacts;
}

export function desire({ map: told, settings, attachments, local }: Wish, observed: Observed): Desire {
  const map = judgeHosts(told, local.liveness);
  const underlay = readUnderlay(observed, settings);
  const self = map.hosts.find((host) => host.id === settings.selfId);
  const { peers: believed, refusals: peerRefusals } =
    self === undefined ? { peers: [], refusals: [] } : believePeers(map.hosts, settings);
  const candidates = new Map(believed.map((host) => [host.id, orderCandidates(host.endpoints, underlay)]));
  const own = ownPrefixes(self, underlay);
  const claimed = believe({ map, settings, self, peers: believed, candidates }, underlay, observed);
  const mtu = tunnelMtu(map.mesh.mtu, underlay, candidates.values());
  const bridge = desiredBridge(settings, own.leases, mtu);
  const { segments, refusals: segmentRefusals } = desireSegments({
    map,
    settings,
    self,
    workloads: local.workloads,
    peers: believed,
    claims: claimed.claims,
    addresses: own.addresses,
    mtu,
  });
  const claims = claimed.claims.map((claim) => claim.prefix);
  const mesh = [...map.mesh.overlayPools, ...map.mesh.containerPools, ...claims];
  const dead = deadPrefixes(map, claimed.claims, local.liveness);
  const wished = { map, settings, attachments, local, dead };
  const rules = firewallInput(wished, self, own, bridge, segments, mesh, observed);
  const peers = desiredPeers(map, believed, claimed.claims, { ...local, candidates, underlay });
  const tunnel = { interfaceName: settings.interfaceName, mtu };
  const mtuOf = narrowRoutes(peers, local.innerMtus, tunnel, observed);
  const desired: Desired = {
    isMember: self !== undefined,
    interfaceName: settings.interfaceName,
    mark: linkMark(settings),
    publicKey: settings.publicKey,
    listenPort: settings.listenPort,
    mtu,
    addresses: own.addresses.map(prefixOfOne),
    peers,
    routes: desiredRoutes(settings, claimed.claims, own.addresses, underlay, mtuOf),
    bridge,
    bridgeName: settings.bridgeName,
    segments,
    table: planTable(rules),
    bridgeTable: self === undefined || bridge === undefined ? undefined : planBridgeTable(rules),
    iptables: self === undefined || bridge === undefined ? undefined : iptablesWish(rules),
    firewalld:
      self === undefined
        ? undefined
        : desireFirewalld(settings, linkMark(settings), bridgesOf(rules), local.engine.firewall !== 'none'),
    resolver: self === undefined ? undefined : desireResolver(map.mesh, rules.gateways, local.resolvers !== undefined),
    published: publishedPorts(rules),
    isIpv6Usable: underlay.isIpv6Usable,
    attachments: desiredAttachments(attachments, underlay, map.mesh),
    ports: local.ports,
  };
  const portRefusals = self === undefined ? [] : refusedPublications(map, settings);
  const refusals = [...peerRefusals, ...own.refusals, ...claimed.refusals, ...segmentRefusals, ...portRefusals];
  return { desired, refusals };
}
