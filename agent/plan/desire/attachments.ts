/** Attachments as this host can have them: without a family it lacks, and with the routes that only the map knows. */
import type { NetworkMap } from '../../../shared/network-map.ts';
import type { AttachmentSpec } from '../settings.ts';
import type { Underlay } from '../underlay.ts';

export function desiredAttachments(
  specs: readonly AttachmentSpec[],
  underlay: Underlay,
  mesh: NetworkMap['mesh'],
): AttachmentSpec[] {
  return specs.map((spec) => withMeshRoutes(withoutFamily(spec, underlay), mesh));
}

/** A container that has a default route of its own reaches the mesh, and only that, through its gateway there. */
function withMeshRoutes(spec: AttachmentSpec, mesh: NetworkMap['mesh']): AttachmentSpec {
  const { meshGateways = [], routes = [] } = spec;
  if (meshGateways.length === 0) return spec;
  const pools = [...mesh.overlayPools, ...mesh.containerPools].flatMap((prefix) => {
    const gateway = meshGateways.find((one) => one.includes(':') === prefix.includes(':'));
    return gateway === undefined ? [] : [{ prefix, gateway }];
  });
  return { ...spec, routes: [...routes, ...pools] };
}

function withoutFamily(spec: AttachmentSpec, underlay: Underlay): AttachmentSpec {
  if (underlay.isIpv6Usable) return spec;
  return {
    ...spec,
    addresses: spec.addresses.filter(({ address }) => !address.includes(':')),
    gateways: spec.gateways.filter((gateway) => !gateway.includes(':')),
    ...(spec.meshGateways === undefined
      ? {}
      : { meshGateways: spec.meshGateways.filter((gateway) => !gateway.includes(':')) }),
  };
}
