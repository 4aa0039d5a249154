/** iproute2: links, addresses and routes as JSON, changes as one batch. */
import { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';
import { type Address, type Family, addressBits, isAddress } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { ObservedLink, ObservedNamespace, ObservedRoute, ObservedVxlan } from '../plan/observed.ts';
import type { Argv, System } from './run.ts';

const linkSchema = z.object({
  ifindex: z.number(),
  ifname: z.string(),
  flags: z.array(z.string()),
  mtu: z.number(),
  link_index: z.number().optional(),
  /** The link that a VLAN's or a macvlan's is on, where it is in this namespace. */
  link: z.string().nullish(),
  master: z.string().optional(),
  address: z.string().optional(),
  ifalias: z.string().optional(),
  linkinfo: z.object({ info_kind: z.string().optional(), info_data: z.unknown().optional() }).optional(),
  addr_info: z
    .array(z.object({ local: z.string().optional(), prefixlen: z.number().optional(), scope: z.string().optional() }))
    .default([]),
});

const vxlanSchema = z.object({
  id: z.number(),
  port: z.number(),
  local: z.string().optional(),
  local6: z.string().optional(),
  link: z.string().optional(),
});

const filteringSchema = z.object({ vlan_filtering: z.literal(1) });
const vlanSchema = z.object({ id: z.number() });

const routeSchema = z.object({
  dst: z.string(),
  dev: z.string().optional(),
  gateway: z.string().optional(),
  protocol: z.string().default('boot'),
  prefsrc: z.string().optional(),
  metric: z.number().optional(),
  metrics: z.array(z.object({ mtu: z.number().optional() })).default([]),
});

/** Of the agent's own namespace, or of another one. */
export async function showLinks(system: System, netnsPath?: string): Promise<ReadonlyMap<string, ObservedLink>> {
  const show: Argv = ['ip', '-j', '-d', 'addr', 'show'];
  const argv: Argv = netnsPath === undefined ? show : ['nsenter', `--net=${netnsPath}`, ...show];
  return parseLinks((await system.run({ argv })).stdout);
}

/** The main table of one family. A kernel without IPv6 has no IPv6 table, and no routes in it. */
export async function showRoutes(system: System, family: Family): Promise<ObservedRoute[]> {
  const argv: Argv = ['ip', '-j', family === 4 ? '-4' : '-6', 'route', 'show', 'table', 'main'];
  const { stdout, exitCode, stderr } = await system.run({ argv, okCodes: family === 4 ? [0] : [0, 1, 2] });
  if (exitCode !== 0 && !/not supported|does not exist/.test(stderr)) {
    throw new WarrenError('command-failed', `'${argv.join(' ')}' failed: ${stderr.trim()}`);
  }
  return parseRoutes(stdout, family);
}

/** Undefined where the namespace is gone. */
export async function showNamespace(system: System, netnsPath: string): Promise<ObservedNamespace | undefined> {
  const enter: Argv = ['nsenter', `--net=${netnsPath}`, 'ip', '-j', '-d'];
  const links = await system.run({ argv: [...enter, 'addr', 'show'], okCodes: [0, 1, 2] });
  const routes = await system.run({ argv: [...enter, 'route', 'show', 'table', 'all'], okCodes: [0, 1, 2] });
  if (links.exitCode !== 0 || routes.exitCode !== 0) return undefined;
  const parsed = parseJson(z.array(routeSchema), routes.stdout, 'ip route');
  const gateways = parsed
    .filter((route) => route.dst === 'default')
    .flatMap(({ gateway, dev }) =>
      gateway !== undefined && dev !== undefined && isAddress(gateway) ? [{ gateway, device: dev }] : [],
    );
  const others = parsed
    .filter((route) => route.dst !== 'default')
    .map(({ dst, gateway, dev }) => ({ prefix: prefixOf(dst, dst.includes(':') ? 6 : 4), gateway, device: dev }));
  return { links: parseLinks(links.stdout), gateways, routes: others };
}

export function parseLinks(json: string): ReadonlyMap<string, ObservedLink> {
  const links = new Map<string, ObservedLink>();
  for (const link of parseJson(z.array(linkSchema), json, 'ip addr')) {
    links.set(link.ifname, {
      name: link.ifname,
      index: link.ifindex,
      kind: link.linkinfo?.info_kind,
      alias: link.ifalias,
      mtu: link.mtu,
      isUp: link.flags.includes('UP'),
      isLoopback: link.flags.includes('LOOPBACK'),
      master: link.master,
      mac: link.address,
      peerIndex: link.link_index,
      ...parseVxlan(link.linkinfo),
      ...parseVlans(link),
      addresses: link.addr_info.flatMap(({ local, prefixlen, scope }) =>
        local !== undefined && prefixlen !== undefined && scope !== 'link' ? [`${local}/${prefixlen}`] : [],
      ),
    });
  }
  return links;
}

/** Nothing of a VXLAN device without a number of its own, which is none of ours. */
function parseVxlan(info: z.infer<typeof linkSchema>['linkinfo']): { readonly vxlan?: ObservedVxlan } {
  const parsed = info?.info_kind === 'vxlan' ? vxlanSchema.safeParse(info.info_data) : undefined;
  if (parsed?.success !== true) return {};
  const { id, port, local, local6, link } = parsed.data;
  return { vxlan: { vni: id, port, local: local ?? local6, device: link } };
}

function parseVlans({
  link,
  linkinfo: { info_kind: kind, info_data: data } = {},
}: z.infer<typeof linkSchema>): Pick<ObservedLink, 'vlanId' | 'isVlanFiltering' | 'parent'> {
  if (kind === 'bridge') return filteringSchema.safeParse(data).success ? { isVlanFiltering: true } : {};
  const vlan = kind === 'vlan' ? vlanSchema.safeParse(data).data : undefined;
  return {
    ...(vlan === undefined ? {} : { vlanId: vlan.id }),
    ...(typeof link === 'string' ? { parent: link } : {}),
  };
}

export function parseRoutes(json: string, family: Family): ObservedRoute[] {
  const text = json.trim() === '' ? '[]' : json;
  return parseJson(z.array(routeSchema), text, 'ip route').map((route) => ({
    family,
    prefix: prefixOf(route.dst, family),
    device: route.dev,
    protocol: route.protocol,
    gateway: route.gateway,
    source: route.prefsrc as Address | undefined,
    metric: route.metric,
    mtu: route.metrics.find(({ mtu }) => mtu !== undefined)?.mtu,
  }));
}

function prefixOf(dst: string, family: Family): Cidr {
  if (dst === 'default') return (family === 4 ? '0.0.0.0/0' : '::/0') as Cidr;
  return (dst.includes('/') ? dst : `${dst}/${addressBits(family)}`) as Cidr;
}

export function parseJson<T>(schema: z.ZodType<T>, json: string, what: string): T {
  try {
    return schema.parse(JSON.parse(json));
  } catch (cause) {
    throw new WarrenError('command-failed', `'${what}' printed something Warren cannot read`, { cause });
  }
}

/** Lines of an ip(8) batch, words already joined by blanks. */
export interface BatchResult {
  /** Line index -> what ip said. */
  readonly failures: ReadonlyMap<number, string>;
}

/** Runs all lines in one process; a line that fails does not stop the others (`-force`). */
export async function runBatch(system: System, lines: readonly string[], netnsPath?: string): Promise<BatchResult> {
  if (lines.length === 0) return { failures: new Map() };
  const batch: Argv = ['ip', '-force', '-batch', '-'];
  const argv: Argv = netnsPath === undefined ? batch : ['nsenter', `--net=${netnsPath}`, ...batch];
  const input = `${lines.join('\n')}\n`;
  const { stderr, exitCode } = await system.run({
    argv,
    input,
    okCodes: [0, 1, 2],
    timeoutMs: 60_000,
  });
  const failures = parseBatchErrors(stderr);
  if (exitCode !== 0 && failures.size === 0) {
    throw new WarrenError('command-failed', `'${argv.join(' ')}' failed: ${stderr.trim()}`);
  }
  return { failures };
}

/** `ip -batch` says what is wrong, then `Command failed -:<line number>`. */
export function parseBatchErrors(stderr: string): ReadonlyMap<number, string> {
  const failures = new Map<number, string>();
  let said: string[] = [];
  for (const line of stderr.split('\n')) {
    const match = /^Command failed .*:(\d+)$/.exec(line);
    if (match === null) {
      if (line.trim() !== '') said.push(line.trim());
      continue;
    }
    failures.set(Number(match[1]) - 1, said.join('; ') || 'ip refused it');
    said = [];
  }
  return failures;
}
