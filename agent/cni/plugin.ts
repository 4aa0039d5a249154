/**
 * The CNI plugin: one command of a container runtime, carried out. It runs in a process of the runtime's own; everything
 * of the mesh is the running agent's part. Deleting what is gone succeeds, whoever is gone: container, agent or both.
 */
import type { CallAgent } from '../local/client.ts';
import { asWarrenError } from '../../shared/errors.ts';
import { type Address, isAddress } from '../../shared/net/address.ts';
import { showNamespace } from '../system/ip.ts';
import type { System } from '../system/run.ts';
import { CniError, asCniError, cniCodes } from './error.ts';
import { delegateIpam } from './ipam.ts';
import type { CniRequest } from './request.ts';
import { type CniResult, emptyResult, formatResult, mergeResults, parseResult } from './result.ts';
import { newestVersion, supportedVersions } from './version.ts';

export interface CniTools {
  readonly call: CallAgent;
  readonly system: System;
}

/** What goes to standard output; undefined: nothing does. Throws `CniError`. */
export async function runCni(request: CniRequest, tools: CniTools): Promise<unknown> {
  switch (request.command) {
    case 'VERSION':
      return { cniVersion: newestVersion, supportedVersions };
    case 'ADD':
      return add(request, tools);
    case 'DEL':
      return remove(request, tools);
    case 'CHECK':
      return check(request, tools);
    case 'GC':
      return collect(request, tools);
    case 'STATUS':
      return tellStatus(tools);
  }
}

const ownerOf = ({ config, containerId, interfaceName }: CniRequest) => ({
  network: config.name,
  containerId,
  interface: interfaceName,
});

async function add(request: CniRequest, { call, system }: CniTools): Promise<unknown> {
  const { config, netns, mac, name, services } = request;
  const { prevResult, cniVersion } = config;
  const before = prevResult === undefined || prevResult === null ? emptyResult : parseResult(prevResult, cniVersion);
  const ipam = delegateIpam(request, system);
  const fromIpam = await ipam?.add();
  const addresses = fromIpam === undefined ? [...request.addresses] : addressesOf(fromIpam);
  try {
    const { segment = null, isDefaultGateway } = config;
    const wish = { owner: ownerOf(request), netns, addresses, mac: mac ?? null, name: name ?? null };
    const added = await call('cniadd', { ...wish, services: [...services], segment, isDefaultGateway });
    const own: CniResult = {
      interfaces: [
        { name: added.bridge.name, mac: added.bridge.mac },
        { name: added.host.name, mac: added.host.mac, mtu: added.mtu },
        { name: request.interfaceName, mac: added.mac, mtu: added.mtu, sandbox: netns },
      ],
      ips: added.addresses.map(({ address, gateway }) => ({ address, gateway, interface: 2 })),
      routes: added.routes.map(({ prefix, gateway }) => ({ dst: prefix, gw: gateway })),
      dns: config.dns ?? fromIpam?.dns ?? {},
    };
    return formatResult(mergeResults(before, own), cniVersion);
  } catch (error) {
    await ipam?.remove().catch(() => undefined);
    throw asCniError(error);
  }
}

function addressesOf({ ips }: CniResult): Address[] {
  const addresses = ips.map(({ address }) => address.replace(/\/\d+$/, ''));
  const wrong = addresses.find((address) => !isAddress(address));
  if (wrong === undefined && addresses.length > 0) return addresses as Address[];
  throw new CniError(cniCodes.undecodable, 'the ipam plugin answered without an address');
}

async function remove(request: CniRequest, { call, system }: CniTools): Promise<undefined> {
  await delegateIpam(request, system)?.remove();
  try {
    await call('cniremove', ownerOf(request));
  } catch (error) {
    const { code } = asWarrenError(error);
    const isAway = code === 'agent-not-running' || code === 'timeout';
    // The agent frees the address when it comes back and finds the namespace gone.
    if (isAway && (request.netns === '' || !(await system.fileExists(request.netns)))) return;
    throw asCniError(error);
  }
}

async function check(request: CniRequest, { call, system }: CniTools): Promise<undefined> {
  const { config, netns, interfaceName } = request;
  await delegateIpam(request, system)?.check();
  const { entries } = await call('cnistate', {});
  const owner = JSON.stringify(ownerOf(request));
  const entry = entries.find((one) => JSON.stringify(one.owner) === owner);
  if (entry === undefined) throw missing(`the agent has no interface ${interfaceName} of this container`);
  const link = (await showNamespace(system, netns))?.links.get(interfaceName);
  if (link === undefined) throw missing(`${netns} has no interface ${interfaceName}`);
  if (!link.isUp) throw missing(`${interfaceName} is down`);
  const has = new Set(link.addresses.map((one) => one.replace(/\/\d+$/, '')));
  for (const address of entry.addresses) {
    if (!has.has(address)) throw missing(`${interfaceName} has no longer the address ${address}`);
  }
  const { interfaces, ips } = parseResult(config.prevResult ?? {}, config.cniVersion);
  for (const ip of ips) {
    const isOurs = ip.interface !== undefined && interfaces[ip.interface]?.name === interfaceName;
    if (isOurs && !link.addresses.includes(ip.address)) throw missing(`${interfaceName} has no longer ${ip.address}`);
  }
}

async function collect(request: CniRequest, { call, system }: CniTools): Promise<undefined> {
  const valid = new Set(
    (request.config['cni.dev/valid-attachments'] ?? []).map((one) => `${one.containerID} ${one.ifname}`),
  );
  const { entries } = await call('cnistate', {});
  for (const { owner } of entries) {
    if (owner.network !== request.config.name || valid.has(`${owner.containerId} ${owner.interface}`)) continue;
    await call('cniremove', owner);
  }
  await delegateIpam(request, system)?.collect();
}

async function tellStatus({ call }: CniTools): Promise<undefined> {
  let state;
  try {
    state = await call('cnistate', {});
  } catch (error) {
    throw new CniError(cniCodes.unavailable, asWarrenError(error).message);
  }
  if (!state.isMember) {
    throw new CniError(cniCodes.unavailableAndLimited, 'this host is not part of the mesh now; see warren status');
  }
  if (!state.hasBridge) throw new CniError(cniCodes.unavailable, 'this host has no usable container subnet now');
}

const missing = (message: string): CniError => new CniError(cniCodes.isMissing, message);
