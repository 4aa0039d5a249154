/**
 * firewalld by its D-Bus interface (firewalld.dbus(5)). Zones and policies can only be made for good and count after a
 * reload, which keeps connections; so they are made once and then left alone.
 */
import { z } from 'zod';
import { WarrenError, asWarrenError } from '../../shared/errors.ts';
import { vxlanPort } from '../plan/bridged.ts';
import type { DesiredFirewalld } from '../plan/firewalld.ts';
import type { ObservedFirewalld } from '../plan/observed.ts';
import { type BusObject, callBus, isServiceHere } from './bus.ts';
import type { System } from './run.ts';

const service = 'org.fedoraproject.FirewallD1';
const main: BusObject = { service, path: '/org/fedoraproject/FirewallD1', interfaceName: service };
const zones: BusObject = { ...main, interfaceName: `${service}.zone` };
const policies: BusObject = { ...main, interfaceName: `${service}.policy` };
const config: BusObject = { service, path: '/org/fedoraproject/FirewallD1/config', interfaceName: `${service}.config` };

const names = z.tuple([z.array(z.string())]);
const oneName = z.tuple([z.string()]);
const activeZones = z.tuple([z.record(z.string(), z.looseObject({ interfaces: z.array(z.string()).optional() }))]);
const settings = z.tuple([z.looseObject({ description: z.object({ data: z.string() }).optional() })]);

/** It loads every rule of the host anew. */
const reloadMs = 60_000;

const policiesOf = (zone: string): string[] => [`${zone}-in`, `${zone}-out`, `${zone}-wg`];

/**
 * Undefined where none runs for this network namespace, or it hangs; silent while it starts, reloads or ends. `folder`:
 * there where it is installed.
 */
export async function showFirewalld(
  system: System,
  folder: string,
  zone: string,
): Promise<ObservedFirewalld | 'silent' | undefined> {
  if (!(await system.fileExists(folder)) || !(await isServiceHere(system, service))) return undefined;
  try {
    const [known] = names.parse(await callBus(system, zones, 'getZones'));
    const [ruled] = names.parse(await callBus(system, policies, 'getPolicies'));
    const seals = [
      ...(known.includes(zone) ? [await sealOf(system, zones, 'getZoneSettings2', zone)] : []),
      ...(await Promise.all(
        policiesOf(zone)
          .filter((name) => ruled.includes(name))
          .map((name) => sealOf(system, policies, 'getPolicySettings', name)),
      )),
    ];
    const [active] = activeZones.parse(await callBus(system, zones, 'getActiveZones'));
    const places = Object.entries(active).flatMap(([name, { interfaces = [] }]) =>
      interfaces.map((link) => [link, name] as const),
    );
    return { zones: known, seals, zoneOf: new Map(places) };
  } catch (error) {
    const { code } = asWarrenError(error);
    if (code === 'command-failed') return 'silent';
    if (code === 'timeout') return undefined;
    throw error;
  }
}

async function sealOf(system: System, place: BusObject, method: string, name: string): Promise<string> {
  const [found] = settings.parse(await callBus(system, place, method, 's', [name]));
  return found.description?.data ?? '';
}

/** Throws `conflict` where something of these names is somebody else's. */
export async function setFirewalld(
  system: System,
  { zone, tunnel, listenPort, mark, seal }: Omit<DesiredFirewalld, 'bridges' | 'hasEngine'>,
): Promise<void> {
  await removeObjects(system, zone, mark);
  const text = (key: string, value: string): string[] => [key, 's', value];
  const list = (key: string, values: readonly string[]): string[] => [key, 'as', String(values.length), ...values];
  const ports = (all: ReadonlyArray<readonly [number, string]>): string[] => [
    'ports',
    'a(ss)',
    String(all.length),
    ...all.flatMap(([port, protocol]) => [String(port), protocol]),
  ];
  const described = (target: string): string[] => [...text('description', seal), ...text('target', target)];
  const served = [
    [53, 'udp'],
    [53, 'tcp'],
    [vxlanPort, 'udp'],
  ] as const;
  const zoneSettings = [
    ...described('default'),
    ...list('interfaces', [tunnel]),
    ...ports(served),
    'forward',
    'b',
    'true',
  ];
  await callBus(system, config, 'addZone2', 'sa{sv}', [zone, '5', ...zoneSettings]);
  const policy = async (suffix: string, target: string, from: string, to: string, more: readonly string[] = []) => {
    const ends = [...list('ingress_zones', [from]), ...list('egress_zones', [to])];
    const count = more.length === 0 ? '4' : '5';
    await callBus(system, config, 'addPolicy', 'sa{sv}', [
      `${zone}-${suffix}`,
      count,
      ...described(target),
      ...ends,
      ...more,
    ]);
  };
  await policy('in', 'ACCEPT', 'ANY', zone);
  await policy('out', 'ACCEPT', zone, 'ANY');
  await policy('wg', 'CONTINUE', 'ANY', 'HOST', ports([[listenPort, 'udp']]));
  await callBus(system, main, 'reload', '', [], reloadMs);
}

export async function bindFirewalld(system: System, interfaceName: string, zone: string): Promise<void> {
  await callBus(system, zones, 'changeZoneOfInterface', 'ss', [zone, interfaceName]);
}

/** Does nothing where there is nothing of that name, or it is somebody else's. Links leave the zone with it. */
export async function removeFirewalld(system: System, folder: string, zone: string, mark: string): Promise<void> {
  const seen = await showFirewalld(system, folder, zone);
  if (seen === undefined || seen === 'silent' || !seen.seals.some((seal) => isOf(mark, seal))) return;
  await removeObjects(system, zone, mark);
  await callBus(system, main, 'reload', '', [], reloadMs);
}

const isOf = (mark: string, seal: string): boolean => seal.startsWith(`${mark}:`);

interface KeptObject {
  readonly name: string;
  readonly kind: 'zone' | 'policy';
  readonly place: BusObject;
}

/** Policies first: a zone that one of them names stays. */
async function removeObjects(system: System, zone: string, mark: string): Promise<void> {
  const kept = await findObjects(system, zone);
  for (const { name, kind, place } of kept) {
    const found = await callBus(system, place, kind === 'zone' ? 'getSettings2' : 'getSettings');
    if (isOf(mark, settings.parse(found)[0].description?.data ?? '')) continue;
    const why = `firewalld has a ${kind} ${name} that this agent did not make; remove or rename it, or set WARREN_FIREWALLD=off and open the mesh's ways yourself`;
    throw new WarrenError('conflict', why);
  }
  for (const { place } of kept) await callBus(system, place, 'remove');
}

/** What is kept for good, whether it counts yet or not. */
async function findObjects(system: System, zone: string): Promise<KeptObject[]> {
  const [ruled] = names.parse(await callBus(system, config, 'getPolicyNames'));
  const [known] = names.parse(await callBus(system, config, 'getZoneNames'));
  const find = async (kind: KeptObject['kind'], finder: string, name: string): Promise<KeptObject> => {
    const [path] = oneName.parse(await callBus(system, config, finder, 's', [name]));
    return { name, kind, place: { service, path, interfaceName: `${service}.config.${kind}` } };
  };
  return Promise.all([
    ...policiesOf(zone)
      .filter((name) => ruled.includes(name))
      .map((name) => find('policy', 'getPolicyByName', name)),
    ...(known.includes(zone) ? [find('zone', 'getZoneByName', zone)] : []),
  ]);
}
