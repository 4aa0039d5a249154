/**
 * The host's own book of attachments: which interface of which container is what, kept over restarts. It takes places in
 * the lease and says what should be; making it so is the reconciler's part.
 */
import { WarrenError } from '../../shared/errors.ts';
import type { InterfaceName } from '../../shared/names.ts';
import type { WishedAddress } from '../../shared/attachment.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { SegmentName } from '../../shared/workload.ts';
import { type Clock, timeOf } from '../clock.ts';
import { isSlotWithin } from './ipam.ts';
import type { AttachRequest } from './request.ts';
import { formatSaved, readSaved } from './saved.ts';
import { isSame, missing, otherWay, refuseTaken } from './refusals.ts';
import type { Slots } from './slots.ts';
import { needsSlot, slotsOf, wishedSlots } from './spec.ts';
import type { NamespaceProbe, Target } from './target.ts';

export interface Attachment {
  readonly request: AttachRequest;
  readonly target: Target;
  /** Chosen here; undefined where it has no address of the lease or named one. */
  readonly slot: number | undefined;
  readonly startedAt: string | undefined;
  /** Of a container of the engine, once it was seen. */
  readonly containerId: string | undefined;
  readonly attachedAt: string;
  /** What its links are called after; the same as long as it is attached. */
  readonly linkKey: string;
  /** Detached, and not yet seen to be gone from the namespace. */
  readonly isLeaving: boolean;
  /** Undefined while the namespace is missing. */
  readonly place: { readonly namespace: string; readonly netnsPath: string } | undefined;
}

/** What attachments stand on: the map that may be used, and what DHCP servers said. */
export interface Ground {
  readonly leases: readonly Cidr[];
  readonly isBridged: (segment: SegmentName) => boolean;
  /** What the DHCP client of one that asked for it was last known to have. */
  readonly dhcpLease: (one: Pick<Attachment, 'linkKey'>) => WishedAddress | undefined;
}

export interface AttachmentOptions {
  readonly clock: Clock;
  readonly probe: NamespaceProbe;
  readonly slots: Slots;
  readonly ground: () => Ground;
  /** What `save` was last given; undefined at the very first start. */
  readonly saved: string | undefined;
  readonly save: (json: string) => Promise<void>;
}

/** Which of a target's interfaces. */
export interface Which {
  readonly interface?: InterfaceName | undefined;
  readonly segment?: SegmentName | undefined;
}

export interface Attachments {
  /** Gives the target its interface, or the one it has. Throws `attachment-target-missing`, `attachment-conflict`, … */
  attach(target: Target, request: AttachRequest): Promise<Attachment>;
  /** How many interfaces are leaving now; all of the target's where none is named. */
  detach(target: string, which: Which): Promise<number>;
  detachAll(): Promise<void>;
  /** Looks at every target and at the leases again; frees what is gone. True when something changed. */
  refresh(): Promise<boolean>;
  /** What was seen to be gone is forgotten. */
  forget(gone: readonly Attachment[]): Promise<void>;
  /** In the order in which they were attached. */
  list(): readonly Attachment[];
}

export const keyOf = (target: string, interfaceName: string): string => `${target} ${interfaceName}`;
const key = ({ target, request }: Attachment): string => keyOf(target.text, request.interface);

/** Throws `state-corrupt` when `saved` cannot be read. */
export function openAttachments(options: AttachmentOptions): Attachments {
  const { clock, probe, slots, ground } = options;
  const saved = readSaved(options.saved);
  slots.resume(saved.nextSlot);
  let all = new Map<string, Attachment>(saved.attachments.map((one) => [key(one), one]));
  let turn: Promise<unknown> = Promise.resolve();
  slots.addBook(() => [...all.values()].flatMap((one) => slotsOf(one, ground().leases)));

  /** One change at a time; a change is in the file before it is in memory. */
  const inTurn = <T>(fn: () => Promise<T>): Promise<T> => {
    const done = turn.then(fn);
    turn = done.catch(() => undefined);
    return done;
  };
  const commit = async (changed: Map<string, Attachment>): Promise<void> => {
    const next = slots.next();
    const text = formatSaved(changed.values(), next);
    if (formatSaved(all.values(), next) !== text) await options.save(text);
    all = changed;
  };

  return {
    attach: (target, request) =>
      inTurn(async () => {
        const presence = await probe.look(target);
        if (presence.kind !== 'present') throw missing(target, presence.kind);
        await refuseTaken(target, presence.namespace, all.values(), probe);
        const { startedAt, namespace, netnsPath, containerId } = presence;
        const place = { namespace, netnsPath };
        const had = all.get(keyOf(target.text, request.interface));
        if (had !== undefined && isSame(had, presence) && !had.isLeaving) {
          if (JSON.stringify(had.request) !== JSON.stringify(request)) throw otherWay(had);
          const again = { ...had, place };
          all = new Map(all).set(key(again), again);
          return again;
        }
        const taken = takeSlots(slots, request, ground());
        try {
          const made: Attachment = {
            request,
            target: target.kind === 'docker' ? { ...target, container: containerId ?? target.container } : target,
            slot: needsSlot(request, ground()) ? taken[0] : undefined,
            startedAt,
            containerId,
            attachedAt: timeOf(clock.now()),
            linkKey: keyOf(target.text, request.interface),
            isLeaving: false,
            place,
          };
          const others = new Map(all);
          others.delete(key(made));
          await commit(others.set(key(made), made));
          return made;
        } finally {
          taken.forEach((slot) => slots.settle(slot));
        }
      }),
    detach: (target, which) =>
      inTurn(async () => {
        const isMeant = (one: Attachment): boolean =>
          !one.isLeaving &&
          one.target.text === target &&
          (which.interface === undefined || one.request.interface === which.interface) &&
          (which.segment === undefined || one.request.segment === which.segment);
        const count = [...all.values()].filter(isMeant).length;
        await commit(new Map([...all].map(([id, one]) => [id, isMeant(one) ? { ...one, isLeaving: true } : one])));
        return count;
      }),
    detachAll: () => inTurn(() => commit(new Map([...all].map(([id, one]) => [id, { ...one, isLeaving: true }])))),
    refresh: () =>
      inTurn(async () => {
        const kept = new Map<string, Attachment>();
        for (const [id, one] of all) {
          const presence = await probe.look(one.target);
          const isHere = presence.kind === 'present' && isSame(one, presence);
          if (!isHere && (one.target.kind === 'pid' || one.isLeaving || presence.kind === 'removed')) continue;
          const place = isHere ? { namespace: presence.namespace, netnsPath: presence.netnsPath } : undefined;
          const containerId = isHere ? presence.containerId : one.containerId;
          kept.set(id, { ...one, containerId, place });
        }
        const moved = moveSlots(slots, kept, ground());
        if (JSON.stringify([...all]) === JSON.stringify([...moved])) return false;
        await commit(moved);
        return true;
      }),
    forget: (gone) =>
      inTurn(async () => {
        const names = new Set(gone.filter(({ isLeaving }) => isLeaving).map(key));
        if (names.size > 0) await commit(new Map([...all].filter(([id, one]) => !(names.has(id) && one.isLeaving))));
      }),
    list: () => [...all.values()],
  };
}

/** Taken until they are settled. */
function takeSlots(slots: Slots, request: AttachRequest, ground: Ground): number[] {
  if (needsSlot(request, ground)) return [slots.take(ground.leases)];
  const taken: number[] = [];
  try {
    for (const slot of wishedSlots(request, ground.leases)) {
      if (slots.isEngines(ground.leases, slot)) {
        throw new WarrenError(
          'attachment-conflict',
          'the container engine gives out the upper half of the container subnet itself; choose an address of the lower half',
          { field: 'ip' },
        );
      }
      taken.push(slots.take(ground.leases, slot));
    }
  } catch (error) {
    taken.forEach((slot) => slots.settle(slot));
    throw error;
  }
  return taken;
}

/** Another lease: the same place in it, or another where that lies outside. */
function moveSlots(slots: Slots, all: ReadonlyMap<string, Attachment>, ground: Ground): Map<string, Attachment> {
  const moved = new Map(all);
  const taken: number[] = [];
  for (const [id, one] of ground.leases.length === 0 ? [] : all) {
    if (one.slot === undefined || isSlotWithin(ground.leases, one.slot)) continue;
    const slot = takeOrKeep(slots, ground.leases, one.slot);
    taken.push(slot);
    moved.set(id, { ...one, slot });
  }
  // What was moved stands in the book before anybody else is asked: nothing is awaited between here and there.
  taken.forEach((slot) => slots.settle(slot));
  return moved;
}

function takeOrKeep(slots: Slots, leases: readonly Cidr[], slot: number): number {
  try {
    return slots.take(leases);
  } catch (error) {
    // The new lease is too small for all; the container waits without an address until another one leaves.
    if (error instanceof WarrenError && error.code === 'addresses-exhausted') return slot;
    throw error;
  }
}
