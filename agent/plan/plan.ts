/**
 * From what is wanted and what is there to the list of steps between them. Pure and total: the same input gives the
 * same steps, and planning again after they were applied gives none. What is added comes before what is removed, and
 * what a step needs (link before address before route) comes before it.
 */
import { planAttachments } from './attachments.ts';
import { planSegments } from './bridged-links.ts';
import { planBridge, planTunnel } from './bridge.ts';
import type { Desired, Refusal } from './desired.ts';
import { type EndpointMemory, noEndpointMemory } from './endpoints.ts';
import { planFirewalld } from './firewalld.ts';
import { planForeign } from './foreign.ts';
import { planIptables } from './iptables.ts';
import type { Observed, ObservedLink } from './observed.ts';
import { planResolver } from './resolver.ts';
import { planRoutes } from './routes.ts';
import type { Step } from './step.ts';
import { planSysctls } from './sysctls.ts';
import { planTables } from './tables.ts';
import { planPeers } from './wireguard.ts';

export interface Plan {
  readonly steps: readonly Step[];
  /** Things of our name that are not ours, and so are left alone. */
  readonly refusals: readonly Refusal[];
}

export function plan(desired: Desired, observed: Observed, memory: EndpointMemory = noEndpointMemory): Plan {
  const none = { sets: [], removes: [] };
  const tunnel = planTunnel(desired, observed);
  const bridge = planBridge(desired, observed);
  const attachments = planAttachments(desired, observed, bridge.isUsable);
  const peers = tunnel.isUsable
    ? planPeers(desired, observed.wireguard?.peers ?? new Map(), memory, observed.observedAt)
    : none;
  const segments = tunnel.isUsable ? planSegments(desired, observed) : { ...none, refusals: [] };
  const routes = tunnel.isUsable ? planRoutes(desired, observed) : none;
  const steps = [
    ...planTables(desired, observed),
    ...planIptables(desired.iptables, desired.mark, observed.iptables),
    ...(desired.isMember ? planSysctls(observed) : []),
    ...tunnel.creates,
    ...bridge.creates,
    ...tunnel.sets,
    ...bridge.sets,
    ...peers.sets,
    ...routes.sets,
    ...segments.sets,
    ...attachments.sets,
    ...routes.removes,
    ...peers.removes,
    ...attachments.removes,
    ...segments.removes,
    ...tunnel.removes,
    ...bridge.removes,
    // Last: nothing of the mesh waits for what others take their time over.
    ...planFirewalld(desired.firewalld, observed.firewalld, observed.links),
    ...planResolver(desired.resolver, ownTunnel(desired, observed), observed.resolver),
  ];
  const foreign = planForeign(desired.iptables, observed.foreign);
  const refusals = [tunnel.refusals, bridge.refusals, segments.refusals, attachments.refusals, foreign].flat();
  return { steps, refusals };
}

/** Words of others about a link that is not ours stay. */
function ownTunnel({ interfaceName, mark }: Desired, { links }: Observed): ObservedLink | undefined {
  const link = links.get(interfaceName);
  return link?.alias === mark ? link : undefined;
}
