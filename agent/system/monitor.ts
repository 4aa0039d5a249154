/**
 * Kernel events as a mere wake-up: which line it was does not matter, the loop observes everything anew. Lines about
 * links of others, of which a busy container host has many, do not wake it.
 */
import type { HostSettings } from '../plan/settings.ts';
import { routeProtocol } from '../plan/settings.ts';
import type { System, Watch } from './run.ts';

const debounceMs = 100;

/**
 * Calls `wake` at most once per 100 ms, after the last line that concerns us or the first of a burst that goes on;
 * before it `onFirewalld`, where firewalld made its rules anew or has changed what it does with our links.
 */
export function watchKernel(
  system: System,
  settings: HostSettings,
  wake: () => void,
  onFirewalld: () => void = () => undefined,
): Watch {
  let timer: NodeJS.Timeout | undefined;
  const soon = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      wake();
    }, debounceMs);
  };
  const watches = [
    system.watch(['ip', 'monitor', 'link', 'address', 'route'], (line) => {
      if (concernsLinks(line, settings)) soon();
    }),
    system.watch(['nft', 'monitor'], (line) => {
      const isFirewalld = concernsFirewalld(line, settings);
      if (isFirewalld) onFirewalld();
      if (isFirewalld || concernsTable(line, settings)) soon();
    }),
  ];
  return {
    stop() {
      clearTimeout(timer);
      for (const watch of watches) watch.stop();
    },
  };
}

/** An empty line says that events may have been lost. */
export function concernsLinks(line: string, settings: HostSettings): boolean {
  if (line === '') return true;
  const device = /^(?:Deleted )?\d+:\s+([^\s:@]+)/.exec(line)?.[1] ?? /\bdev (\S+)/.exec(line)?.[1];
  if (device === undefined) return false;
  // A new port of ours, whatever it is called.
  if (line.includes(` master ${settings.bridgeName} `)) return true;
  if (device === settings.interfaceName || device === settings.bridgeName || device.startsWith('wv')) return true;
  if (line.includes(` proto ${routeProtocol}`)) return true;
  return !/^(?:lo$|veth|br-|docker|podman|cni|cali|flannel|lxc|tap|vnet|virbr|dummy|ifb)/.test(device);
}

/** Chains of others in which rules of ours stand; one that is emptied is told rule by rule. */
const isOthersChain =
  /^(?:add|delete|insert) (?:table|chain|rule) ip6? (?:filter|raw)(?: (?:FORWARD|INPUT|DOCKER-USER|PREROUTING)\b|$)/;

export function concernsTable(line: string, settings: HostSettings): boolean {
  return line === '' || line.split(' ').includes(settings.tableName) || isOthersChain.test(line);
}

/** It makes its whole table anew when it is started or reloaded. */
export function concernsFirewalld(line: string, { interfaceName, bridgeName }: HostSettings): boolean {
  if (line === '' || /^(?:add|delete) table inet firewalld$/.test(line)) return true;
  return line.includes(' inet firewalld ') && [interfaceName, bridgeName].some((name) => line.includes(`"${name}"`));
}
