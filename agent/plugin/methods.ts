/** Method name to what answers it: the table of everything the container engine can ask. */
import { WarrenError } from '../../shared/errors.ts';
import type { IpamDriver } from './ipam.ts';
import type { NetworkDriver } from './network.ts';
import {
  addressReleaseSchema,
  addressRequestSchema,
  endpointIdsSchema,
  endpointRequestSchema,
  externalRequestSchema,
  joinRequestSchema,
  networkDeleteSchema,
  networkRequestSchema,
  parseRequest,
  poolRequestSchema,
} from './protocol.ts';

export type Method = (body: unknown) => Promise<unknown>;
export type Methods = ReadonlyMap<string, Method>;

/** `name`: the driver's, by which address spaces are called. */
export function createMethods(name: string, network: NetworkDriver, ipam: IpamDriver): Methods {
  const answer = (value: unknown): Method => {
    return () => Promise.resolve(value);
  };
  const nothing = answer({});
  return new Map<string, Method>([
    ['Plugin.Activate', answer({ Implements: ['NetworkDriver', 'IpamDriver'] })],
    ['NetworkDriver.GetCapabilities', answer({ Scope: 'local', ConnectivityScope: 'global' })],
    ['NetworkDriver.CreateNetwork', (body) => network.createNetwork(parseRequest(networkRequestSchema, body))],
    ['NetworkDriver.DeleteNetwork', (body) => network.deleteNetwork(parseRequest(networkDeleteSchema, body).NetworkID)],
    ['NetworkDriver.CreateEndpoint', (body) => network.createEndpoint(parseRequest(endpointRequestSchema, body))],
    [
      'NetworkDriver.DeleteEndpoint',
      (body) => network.deleteEndpoint(parseRequest(endpointIdsSchema, body).EndpointID),
    ],
    ['NetworkDriver.EndpointOperInfo', answer({ Value: {} })],
    ['NetworkDriver.Join', (body) => network.join(parseRequest(joinRequestSchema, body).EndpointID)],
    ['NetworkDriver.Leave', (body) => network.leave(parseRequest(endpointIdsSchema, body).EndpointID)],
    ['NetworkDriver.DiscoverNew', nothing],
    ['NetworkDriver.DiscoverDelete', nothing],
    ['NetworkDriver.ProgramExternalConnectivity', (body) => refusePorts(body)],
    ['NetworkDriver.RevokeExternalConnectivity', nothing],
    ['IpamDriver.GetCapabilities', answer({ RequiresMACAddress: false, RequiresRequestReplay: true })],
    [
      'IpamDriver.GetDefaultAddressSpaces',
      // One for both: engines from 27 on compare no pools of a global space with the host's routes.
      answer({ LocalDefaultAddressSpace: name, GlobalDefaultAddressSpace: name }),
    ],
    ['IpamDriver.RequestPool', async (body) => ipam.requestPool(parseRequest(poolRequestSchema, body))],
    ['IpamDriver.ReleasePool', nothing],
    ['IpamDriver.RequestAddress', (body) => ipam.requestAddress(parseRequest(addressRequestSchema, body))],
    [
      'IpamDriver.ReleaseAddress',
      async (body) => {
        await ipam.releaseAddress(parseRequest(addressReleaseSchema, body).Address);
        return {};
      },
    ],
  ]);
}

/** Said at once: the engine would report such a port as published, and nothing would answer there. */
function refusePorts(body: unknown): Promise<unknown> {
  const { Options } = parseRequest(externalRequestSchema, body);
  const ports = Options['com.docker.network.portmap'];
  if (!Array.isArray(ports) || ports.length === 0) return Promise.resolve({});
  throw new WarrenError(
    'request-invalid',
    "-p has no effect on a network of Warren; leave it out and use 'warren publish'",
  );
}
