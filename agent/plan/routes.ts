/** Routes of the mesh: all through the tunnel, all with protocol 86. Routes of anybody else are not even looked at. */
import type { Desired, DesiredRoute } from './desired.ts';
import type { Observed, ObservedRoute } from './observed.ts';
import { routeProtocol } from './settings.ts';
import type { Step } from './step.ts';

const ours = String(routeProtocol);

export function planRoutes(desired: Desired, observed: Observed): { sets: Step[]; removes: Step[] } {
  const onTunnel = observed.routes.filter((route) => route.device === desired.interfaceName);
  const mine = new Map(onTunnel.filter((route) => route.protocol !== 'kernel').map((route) => [route.prefix, route]));
  const sets: Step[] = [];
  for (const route of desired.routes.values()) {
    const existing = mine.get(route.prefix);
    const why = whyToSet(route, existing);
    if (why === undefined) continue;
    sets.push({ kind: 'route-set', ...route, isReplacement: existing !== undefined, why });
  }
  const removes: Step[] = onTunnel
    .filter((route) => route.protocol === ours && !desired.routes.has(route.prefix))
    .map((route) => ({
      kind: 'route-remove',
      prefix: route.prefix,
      device: desired.interfaceName,
      metric: route.metric,
      why: 'no host of the mesh has this prefix',
    }));
  return { sets, removes };
}

function whyToSet({ source, mtu }: DesiredRoute, existing: ObservedRoute | undefined): string | undefined {
  if (existing === undefined) return 'the route is missing';
  if (existing.protocol !== ours) return `the route has protocol ${existing.protocol}`;
  if (existing.gateway !== undefined) return 'the route has a gateway';
  if (existing.source !== source) return 'the route has another source address';
  if (existing.mtu !== mtu) return mtu === undefined ? 'packets of any size fit again' : `only ${mtu} bytes fit`;
  return undefined;
}
