/**
 * The real network below a mesh: one router namespace, every host on a link of its own with a /32 address and a default
 * route, as clouds do it. Routed and not bridged, because each pair of hosts on a bridge costs two neighbour entries and
 * the kernel's limit is shared by all namespaces of the machine.
 */
import { ipBatch, run } from './command.ts';
import { inside, makeNamespace } from './namespace.ts';

export interface Underlay {
  /** Name of the router's namespace: everything on the wire passes through it. */
  readonly router: string;
  /** Makes namespace `name` and connects it as `address`. */
  connect(name: string, address: string): Promise<void>;
  /** Cuts a host's link, or brings it back. */
  setLink(name: string, state: 'up' | 'down'): Promise<void>;
}

const gateway = '10.0.0.1';

export async function makeUnderlay(router: string): Promise<Underlay> {
  await makeNamespace(router);
  await run(inside(router, ['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.disable_ipv6=1']));
  const links = new Map<string, string>();
  return {
    router,
    async connect(name, address) {
      const link = `l${links.size}`;
      links.set(name, link);
      await connect(router, link, name, address);
    },
    async setLink(name, state) {
      await ipBatch([`link set ${links.get(name)} ${state}`], router);
      if (state === 'up') await ipBatch([`route replace ${await addressOf(name)}/32 dev ${links.get(name)}`], router);
    },
  };
}

async function connect(router: string, link: string, name: string, address: string): Promise<void> {
  await makeNamespace(name);
  await ipBatch([`link add eth0 netns ${name} type veth peer name ${link} netns ${router}`]);
  await ipBatch(
    [`addr add ${gateway}/32 dev ${link}`, `link set ${link} up`, `route add ${address}/32 dev ${link}`],
    router,
  );
  await ipBatch(
    [`addr add ${address}/32 dev eth0`, 'link set eth0 up', `route add default via ${gateway} dev eth0 onlink`],
    name,
  );
}

async function addressOf(name: string): Promise<string> {
  const { stdout } = await run(['ip', '-n', name, '-4', '-o', 'addr', 'show', 'dev', 'eth0', 'scope', 'global']);
  return /inet ([\d.]+)/.exec(stdout)?.[1] ?? '';
}
