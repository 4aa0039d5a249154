/** What an ADD answers, in the words of each version of the specification; results of plugins before this one are kept. */
import { z } from 'zod';
import { CniError, cniCodes } from './error.ts';
import type { CniDns } from './request.ts';
import { type CniVersion, isAtLeast } from './version.ts';

export interface CniInterface {
  readonly name: string;
  readonly mac?: string | undefined;
  readonly mtu?: number | undefined;
  /** Path of the namespace; undefined for one on the host. */
  readonly sandbox?: string | undefined;
}

export interface CniAddress {
  /** With its prefix length. */
  readonly address: string;
  readonly gateway?: string | undefined;
  /** Index in `interfaces`. */
  readonly interface?: number | undefined;
}

export interface CniRoute {
  readonly dst: string;
  readonly gw?: string | undefined;
}

export interface CniResult {
  readonly interfaces: readonly CniInterface[];
  readonly ips: readonly CniAddress[];
  readonly routes: readonly CniRoute[];
  readonly dns: CniDns;
}

const routeSchema = z.looseObject({ dst: z.string(), gw: z.string().optional() });
const newSchema = z.object({
  interfaces: z
    .array(
      z.looseObject({
        name: z.string(),
        mac: z.string().optional(),
        mtu: z.int().optional(),
        sandbox: z.string().optional(),
      }),
    )
    .nullish(),
  ips: z
    .array(z.object({ address: z.string(), gateway: z.string().optional(), interface: z.int().optional() }))
    .nullish(),
  routes: z.array(routeSchema).nullish(),
  dns: z.looseObject({}).nullish(),
});
const oldFamilySchema = z
  .object({ ip: z.string(), gateway: z.string().optional(), routes: z.array(routeSchema).nullish() })
  .nullish();
const oldSchema = z.object({ ip4: oldFamilySchema, ip6: oldFamilySchema, dns: z.looseObject({}).nullish() });

export const emptyResult: CniResult = { interfaces: [], ips: [], routes: [], dns: {} };

/** Throws `CniError` 6. */
export function parseResult(value: unknown, version: CniVersion): CniResult {
  const isNew = isAtLeast(version, '0.3.0');
  const parsed = isNew ? newSchema.safeParse(value) : oldSchema.safeParse(value);
  if (!parsed.success) {
    throw new CniError(
      cniCodes.undecodable,
      `a result of another plugin is no result of ${version}: '${parsed.error.issues[0]?.path.join('.') ?? ''}'`,
    );
  }
  if ('ip4' in parsed.data || 'ip6' in parsed.data) {
    const families = [parsed.data.ip4, parsed.data.ip6].flatMap((one) => one ?? []);
    return {
      interfaces: [],
      ips: families.map(({ ip, gateway }) => ({ address: ip, gateway })),
      routes: families.flatMap(({ routes }) => routes ?? []),
      dns: parsed.data.dns ?? {},
    };
  }
  const { interfaces, ips, routes, dns } = parsed.data as z.infer<typeof newSchema>;
  return { interfaces: interfaces ?? [], ips: ips ?? [], routes: routes ?? [], dns: dns ?? {} };
}

/** Ours after what was there; indexes of ours move along. */
export function mergeResults(before: CniResult, ours: CniResult): CniResult {
  const shift = before.interfaces.length;
  return {
    interfaces: [...before.interfaces, ...ours.interfaces],
    ips: [
      ...before.ips,
      ...ours.ips.map((ip) => (ip.interface === undefined ? ip : { ...ip, interface: ip.interface + shift })),
    ],
    routes: [...before.routes, ...ours.routes],
    dns: { ...before.dns, ...ours.dns },
  };
}

export function formatResult({ interfaces, ips, routes, dns }: CniResult, version: CniVersion): unknown {
  if (!isAtLeast(version, '0.3.0')) {
    return {
      cniVersion: version,
      ...oldFamily('ip4', ips, routes, false),
      ...oldFamily('ip6', ips, routes, true),
      dns,
    };
  }
  const hasVersion = !isAtLeast(version, '1.0.0');
  const hasMtu = isAtLeast(version, '1.1.0');
  return {
    cniVersion: version,
    interfaces: interfaces.map(({ mtu, ...rest }) => (hasMtu && mtu !== undefined ? { ...rest, mtu } : rest)),
    ips: ips.map((ip) => (hasVersion ? { version: ip.address.includes(':') ? '6' : '4', ...ip } : ip)),
    routes,
    dns,
  };
}

function oldFamily(
  key: 'ip4' | 'ip6',
  ips: readonly CniAddress[],
  routes: readonly CniRoute[],
  isIpv6: boolean,
): Record<string, unknown> {
  const first = ips.find(({ address }) => address.includes(':') === isIpv6);
  if (first === undefined) return {};
  const own = routes.filter(({ dst }) => dst.includes(':') === isIpv6);
  return {
    [key]: {
      ip: first.address,
      ...(first.gateway === undefined ? {} : { gateway: first.gateway }),
      ...(own.length === 0 ? {} : { routes: own }),
    },
  };
}
