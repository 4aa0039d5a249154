/** What is known of the kernel, how far that can be trusted, and what was learned of endpoints on the way. */
import type { Clock } from '../clock.ts';
import type { Beside } from '../beside.ts';
import { observe } from '../observe.ts';
import type { Desired } from '../plan/desired.ts';
import { type EndpointMemory, chooseEndpoint, noEndpointMemory, trackEndpoints } from '../plan/endpoints.ts';
import type { Observed, ObservedWireguard } from '../plan/observed.ts';
import type { AttachmentSpec, HostSettings } from '../plan/settings.ts';
import type { System } from '../system/run.ts';
import { showInterface } from '../system/wg.ts';

export interface KernelView {
  /** The last look where nothing has happened since, for looking costs more than applying; else a new one. */
  observed(settings: HostSettings, attachments: readonly AttachmentSpec[]): Promise<Observed>;
  /** Something may have changed since the last look. */
  distrust(): void;
  /** The last look; undefined where not even looking worked. */
  last(): Observed | undefined;
  /** Counters and handshakes as of the last look, at most seconds old. */
  wireguard(): ObservedWireguard | undefined;
  endpointMemory(): EndpointMemory;
  /**
   * A look at the peers alone: one command. True where somebody else has changed them, or another endpoint is to be
   * tried. What it saw is dropped when `isBusy` afterwards, for then a pass looks by itself.
   */
  checkPeers(desired: Desired, isBusy: () => boolean): Promise<boolean>;
}

export function createKernelView(system: System, clock: Clock, beside: Beside): KernelView {
  let known: Observed | undefined;
  let isStale = true;
  let wireguard: ObservedWireguard | undefined;
  let memory = noEndpointMemory;

  const note = (seen: ObservedWireguard | undefined, now: number): void => {
    wireguard = seen;
    memory = trackEndpoints(memory, seen?.peers ?? new Map(), now);
  };
  return {
    observed: async (settings, attachments) => {
      if (known !== undefined && !isStale) return known;
      isStale = false;
      known = undefined;
      const observed = await observe(system, settings, attachments, clock.now(), beside);
      note(observed.wireguard, observed.observedAt);
      known = observed;
      return observed;
    },
    distrust: () => (isStale = true),
    last: () => known,
    wireguard: () => wireguard,
    endpointMemory: () => memory,
    checkPeers: async (desired, isBusy) => {
      const before = wireguard;
      const seen = before === undefined ? undefined : await showInterface(system, desired.interfaceName);
      if (isBusy()) return false;
      const now = clock.now();
      note(seen, now);
      if (!hasSamePeers(before, seen) || isTryDue(desired, seen, memory, now)) return true;
      if (known !== undefined) known = { ...known, wireguard: seen, observedAt: now };
      return false;
    },
  };
}

function isTryDue(
  desired: Desired,
  wireguard: ObservedWireguard | undefined,
  memory: EndpointMemory,
  now: number,
): boolean {
  for (const [key, peer] of desired.peers) {
    if (chooseEndpoint(peer, wireguard?.peers.get(key), memory.get(key), now) !== undefined) return true;
  }
  return false;
}

/** The same keys with the same allowed IPs; endpoints and counters change by themselves. */
function hasSamePeers(before: ObservedWireguard | undefined, now: ObservedWireguard | undefined): boolean {
  if (before === undefined || now === undefined) return before === now;
  if (
    before.peers.size !== now.peers.size ||
    before.publicKey !== now.publicKey ||
    before.listenPort !== now.listenPort
  ) {
    return false;
  }
  for (const [key, peer] of now.peers) {
    const had = before.peers.get(key);
    if (had === undefined || had.keepaliveSeconds !== peer.keepaliveSeconds) return false;
    if (had.presharedKeyId !== peer.presharedKeyId || had.allowedIps.join() !== peer.allowedIps.join()) return false;
  }
  return true;
}
