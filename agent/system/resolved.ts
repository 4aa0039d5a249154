/**
 * systemd-resolved, by its D-Bus interface (org.freedesktop.resolve1(5)). What it is told of a link goes with the link,
 * and it keeps that over its own restarts as long as its folder in /run is kept.
 */
import { z } from 'zod';
import { WarrenError, asWarrenError } from '../../shared/errors.ts';
import { type Address, addressBits, addressValue, formatAddress } from '../../shared/net/address.ts';
import type { ObservedResolver } from '../plan/observed.ts';
import type { DesiredResolver } from '../plan/resolver.ts';
import { type BusObject, callBus, isServiceHere, readProperties } from './bus.ts';
import type { System } from './run.ts';

const service = 'org.freedesktop.resolve1';
const manager: BusObject = { service, path: '/org/freedesktop/resolve1', interfaceName: `${service}.Manager` };

/** Undefined where none runs for this network namespace, or it hangs; silent where it has not heard of the link yet. */
export async function showResolver(
  system: System,
  folder: string,
  index: number,
): Promise<ObservedResolver | 'silent' | undefined> {
  if (!(await system.fileExists(folder)) || !(await isServiceHere(system, service))) return undefined;
  try {
    const link = { service, path: linkPath(index), interfaceName: `${service}.Link` };
    return parseLink(await readProperties(system, link, ['DNS', 'Domains', 'DefaultRoute']));
  } catch (error) {
    const { code } = asWarrenError(error);
    if (code === 'command-failed') return 'silent';
    if (code === 'timeout') return undefined;
    throw error;
  }
}

/** Throws `conflict` where somebody else has charge of the link. */
export async function setResolver(
  system: System,
  {
    interfaceName,
    index,
    servers,
    domains,
  }: DesiredResolver & { readonly interfaceName: string; readonly index: number },
): Promise<void> {
  const tell = async (method: string, signature: string, args: readonly string[]): Promise<void> => {
    await callBus(system, manager, method, signature, [String(index), ...args]);
  };
  const routing = domains.flatMap((domain) => [domain, 'true']);
  try {
    await tell('SetLinkDefaultRoute', 'ib', ['false']);
    // The names are not signed, and the agent is asked over no wire: whatever the host asks of its other servers.
    await tell('SetLinkDNSSEC', 'is', ['no']);
    await tell('SetLinkDNSOverTLS', 'is', ['no']);
    await tell('SetLinkDomains', 'ia(sb)', [String(domains.length), ...routing]);
    await tell('SetLinkDNS', 'ia(iay)', [String(servers.length), ...servers.flatMap(serverArgs)]);
  } catch (error) {
    const { message } = asWarrenError(error);
    if (!/is managed/.test(message)) throw error;
    const why = `systemd-networkd has charge of ${interfaceName}, so resolved takes no name servers for it; let a .network file that matches it say Unmanaged=yes`;
    throw new WarrenError('conflict', why, { cause: error });
  }
}

export async function clearResolver(system: System, index: number): Promise<void> {
  await callBus(system, manager, 'RevertLink', 'i', [String(index)]);
}

/** Before a link goes: resolved would read the words about it again for the next link of this index. */
export async function forgetResolver(system: System, folder: string, index: number): Promise<void> {
  const seen = await showResolver(system, folder, index);
  if (seen !== undefined && seen !== 'silent' && (seen.servers.length > 0 || seen.domains.length > 0))
    await clearResolver(system, index);
}

/** Digits stand for themselves, but for the first (sd_bus_path_encode(3)). */
const linkPath = (index: number): string => `/org/freedesktop/resolve1/link/_3${String(index)}`;

const families: Readonly<Record<number, 4 | 6>> = { 2: 4, 10: 6 };
const propertiesSchema = z.tuple([
  z.array(z.tuple([z.int(), z.array(z.int().min(0).max(255))])),
  z.array(z.tuple([z.string(), z.boolean()])),
  z.boolean(),
]);

/** A domain that is no mere routing domain is told with a `!`, which equals none that is wanted. */
export function parseLink(values: readonly unknown[]): ObservedResolver {
  const [servers, domains, isDefaultRoute] = propertiesSchema.parse(values);
  return {
    servers: servers.map(([family, bytes]) => {
      const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
      return formatAddress({ family: families[family] ?? 4, value });
    }),
    domains: domains.map(([domain, isRouting]) => (isRouting ? domain : `!${domain}`)),
    isDefaultRoute,
  };
}

function serverArgs(server: Address): string[] {
  const { family, value } = addressValue(server);
  const size = addressBits(family) / 8;
  const bytes = Array.from({ length: size }, (_, i) => String((value >> BigInt(8 * (size - 1 - i))) & 255n));
  return [family === 4 ? '2' : '10', String(size), ...bytes];
}
