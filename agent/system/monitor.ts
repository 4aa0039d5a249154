/**
 * Kernel events as a mere wake-up: which line it was does not matter, the loop observes everything anew. Lines about
 * links of others, of which a busy container host has many, do not wake it.
 */
import type { HostSettings } from '../plan/settings.ts';
import { routeProtocol } from '../plan/settings.ts';
import type { System, Watch } from './run.ts';

const debounceMs = 100;

export interface KernelListeners {
  /** At most once per 100 ms, after the last line that concerns us or the first of a burst that goes on. */
  readonly onChange: () => void;
  /** Before `onChange`: firewalld made its rules anew or has changed what it does with our links. */
  readonly onFirewalld?: () => void;
  /** Before `onChange`: this host has another address than before, or one less. */
  readonly onAddress?: () => void;
}

export function watchKernel(system: System, settings: HostSettings, listeners: KernelListeners): Watch {
  const { onChange, onFirewalld, onAddress } = listeners;
  const isAddressNew = createAddressNews(settings);
  let timer: NodeJS.Timeout | undefined;
  let isMoved = false;
  const soon = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      if (isMoved) onAddress?.();
      isMoved = false;
      onChange();
    }, debounceMs);
  };
  const watches = [
    system.watch(['ip', 'monitor', 'link', 'address', 'route'], (line) => {
      isMoved ||= isAddressNew(line);
      if (concernsLinks(line, settings)) soon();
    }),
    system.watch(['nft', 'monitor'], (line) => {
      const isFirewalld = concernsFirewalld(line, settings);
      if (isFirewalld) onFirewalld?.();
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

/** Tells of each line whether an address came or went; one whose lifetime was renewed did neither. */
export function createAddressNews(settings: HostSettings): (line: string) => boolean {
  const known = new Set<string>();
  return (line) => {
    const [, deleted, device, address] = /^(Deleted )?\d+:\s+([^\s:@]+)\s+inet6? (\S+)/.exec(line) ?? [];
    if (device === undefined || address === undefined || !concernsLinks(line, settings)) return false;
    if (device === settings.interfaceName || device === settings.bridgeName || device.startsWith('wv')) return false;
    const key = `${device} ${address}`;
    if (deleted !== undefined) known.delete(key);
    else if (known.has(key)) return false;
    else known.add(key);
    return true;
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
