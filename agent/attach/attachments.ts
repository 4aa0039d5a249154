/**
 * The host's own book of attachments: which container holds which place in the lease, kept over restarts. It hands out
 * addresses and says what should be; making it so is the reconciler's part.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';
import { type InterfaceName, interfaceNameSchema } from '../../shared/names.ts';
import type { Address } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import { timeSchema } from '../../shared/api/route.ts';
import { type Clock, timeOf } from '../clock.ts';
import type { AttachmentSpec } from '../plan/settings.ts';
import { chooseSlot, gatewayOf, isSlotWithin, slotAddress } from './ipam.ts';
import { type NamespaceProbe, type Presence, type Target, parseTarget } from './target.ts';

const savedSchema = z.strictObject({
  format: z.literal(1),
  nextSlot: z.int().min(0),
  attachments: z.array(
    z.strictObject({
      target: z.string().max(300),
      slot: z.int().min(2),
      interfaceName: interfaceNameSchema,
      /** Of a process: when it started, in clock ticks since boot. */
      startedAt: z.string().nullable(),
      attachedAt: timeSchema,
    }),
  ),
});

export interface Attachment {
  readonly target: Target;
  readonly slot: number;
  readonly interfaceName: InterfaceName;
  readonly startedAt: string | undefined;
  readonly attachedAt: string;
  /** Undefined while the namespace is missing. */
  readonly namespace: string | undefined;
}

export interface AttachmentOptions {
  readonly clock: Clock;
  readonly probe: NamespaceProbe;
  /** Tells this instance's attachments from another's on the same machine. */
  readonly seed: string;
  /** What `save` was last given; undefined at the very first start. */
  readonly saved: string | undefined;
  readonly save: (json: string) => Promise<void>;
}

export interface Attachments {
  /** Gives the target its place, or the one it has. Throws `attachment-target-missing`, `attachment-conflict`, … */
  attach(target: Target, interfaceName: InterfaceName, leases: readonly Cidr[]): Promise<Attachment>;
  /** True when there was something to detach. */
  detach(text: string): Promise<boolean>;
  /** Looks at every target and at the leases again; frees what is gone. True when something changed. */
  refresh(leases: readonly Cidr[]): Promise<boolean>;
  list(): readonly Attachment[];
  specs(leases: readonly Cidr[]): AttachmentSpec[];
}

/** Throws `state-corrupt` when `saved` cannot be read. */
export function openAttachments(options: AttachmentOptions): Attachments {
  const { clock, probe } = options;
  const saved = readSaved(options.saved);
  let nextSlot = saved.nextSlot;
  let all = new Map<string, Attachment>(saved.attachments.map((one) => [one.target.text, one]));
  let turn: Promise<unknown> = Promise.resolve();

  /** One change at a time; a change is in the file before it is in memory. */
  const inTurn = <T>(fn: () => Promise<T>): Promise<T> => {
    const done = turn.then(fn);
    turn = done.catch(() => undefined);
    return done;
  };
  const commit = async (changed: Map<string, Attachment>, slot = nextSlot): Promise<void> => {
    await options.save(formatSaved(changed, slot));
    all = changed;
    nextSlot = slot;
  };
  const place = (leases: readonly Cidr[], others: Map<string, Attachment>, next = nextSlot): number =>
    chooseSlot(leases, new Set([...others.values()].map((one) => one.slot)), next);

  return {
    attach: (target, interfaceName, leases) =>
      inTurn(async () => {
        const presence = await probe.look(target);
        if (presence.kind === 'missing') throw missing(target);
        await refuseTaken(target, presence.namespace, all, probe);
        const others = new Map(all);
        others.delete(target.text);
        const had = all.get(target.text);
        if (had !== undefined && isSame(had, presence) && isSlotWithin(leases, had.slot)) {
          if (had.interfaceName !== interfaceName) throw otherInterface(had);
          const again = { ...had, namespace: presence.namespace };
          all = others.set(target.text, again);
          return again;
        }
        const slot = place(leases, others);
        const attachedAt = timeOf(clock.now());
        const { startedAt, namespace } = presence;
        const made: Attachment = { target, slot, interfaceName, startedAt, attachedAt, namespace };
        await commit(others.set(target.text, made), slot + 1);
        return made;
      }),
    detach: (text) =>
      inTurn(async () => {
        if (!all.has(text)) return false;
        const others = new Map(all);
        others.delete(text);
        await commit(others);
        return true;
      }),
    refresh: (leases) =>
      inTurn(async () => {
        const before = all;
        const kept = new Map<string, Attachment>();
        for (const one of before.values()) {
          const presence = await probe.look(one.target);
          if (one.target.kind === 'pid' && !(presence.kind === 'present' && isSame(one, presence))) continue;
          kept.set(one.target.text, {
            ...one,
            namespace: presence.kind === 'present' ? presence.namespace : undefined,
          });
        }
        let slot = nextSlot;
        for (const one of leases.length === 0 ? [] : kept.values()) {
          if (isSlotWithin(leases, one.slot)) continue;
          const moved = chooseSlotOrKeep(() => place(leases, kept, slot), one.slot);
          slot = moved + 1;
          kept.set(one.target.text, { ...one, slot: moved });
        }
        if (isEqual(before, kept)) return false;
        if (formatSaved(before, nextSlot) === formatSaved(kept, slot)) all = kept;
        else await commit(kept, slot);
        return true;
      }),
    list: () => [...all.values()],
    specs: (leases) =>
      [...all.values()]
        .filter((one) => one.namespace !== undefined && isSlotWithin(leases, one.slot))
        .map((one) => specOf(one, leases, options.seed)),
  };
}

export const addressesOf = (one: Attachment, leases: readonly Cidr[]): Address[] =>
  isSlotWithin(leases, one.slot) ? leases.map((lease) => slotAddress(lease, one.slot)) : [];

function specOf(one: Attachment, leases: readonly Cidr[], seed: string): AttachmentSpec {
  const digest = createHash('sha256').update(`${seed}\0${one.target.text}`).digest();
  return {
    id: BigInt(`0x${digest.subarray(0, 7).toString('hex')}`)
      .toString(36)
      .slice(0, 11),
    netnsPath: one.target.netnsPath,
    interfaceName: one.interfaceName,
    addresses: leases.map((lease) => ({ address: slotAddress(lease, one.slot), lease })),
    gateways: leases.map(gatewayOf),
    // Made of the target, so that a neighbour's ARP entry stays right when the interface is made anew.
    mac: `02:${(digest.subarray(8, 13).toString('hex').match(/../g) ?? []).join(':')}`,
  };
}

async function refuseTaken(
  target: Target,
  namespace: string,
  all: ReadonlyMap<string, Attachment>,
  probe: NamespaceProbe,
): Promise<void> {
  if (namespace === (await probe.own())) {
    throw new WarrenError(
      'attachment-conflict',
      `${target.text} lives in the host's own network namespace; it needs no attachment`,
    );
  }
  for (const one of all.values()) {
    if (one.namespace !== namespace || one.target.text === target.text) continue;
    throw new WarrenError(
      'attachment-conflict',
      `${target.text} is the namespace that is attached as ${one.target.text}; detach that first`,
    );
  }
}

function chooseSlotOrKeep(choose: () => number, slot: number): number {
  try {
    return choose();
  } catch (error) {
    // The new lease is too small for all; the container waits without an address until another one leaves.
    if (error instanceof WarrenError && error.code === 'addresses-exhausted') return slot;
    throw error;
  }
}

const isSame = (one: Attachment, presence: Presence & { kind: 'present' }): boolean =>
  one.target.kind !== 'pid' || one.startedAt === presence.startedAt;

function isEqual(a: ReadonlyMap<string, Attachment>, b: ReadonlyMap<string, Attachment>): boolean {
  if (a.size !== b.size) return false;
  return [...a].every(([text, one]) => {
    const other = b.get(text);
    return other?.slot === one.slot && other.namespace === one.namespace;
  });
}

function formatSaved(all: ReadonlyMap<string, Attachment>, nextSlot: number): string {
  const attachments = [...all.values()].map((one) => ({
    target: one.target.text,
    slot: one.slot,
    interfaceName: one.interfaceName,
    startedAt: one.startedAt ?? null,
    attachedAt: one.attachedAt,
  }));
  return `${JSON.stringify({ format: 1, nextSlot, attachments })}\n`;
}

function readSaved(text: string | undefined): { nextSlot: number; attachments: Attachment[] } {
  if (text === undefined) return { nextSlot: 0, attachments: [] };
  try {
    const saved = savedSchema.parse(JSON.parse(text));
    const attachments = saved.attachments.map((one) => ({
      ...one,
      target: parseTarget(one.target),
      startedAt: one.startedAt ?? undefined,
      namespace: undefined,
    }));
    return { nextSlot: saved.nextSlot, attachments };
  } catch (cause) {
    throw new WarrenError('state-corrupt', 'the saved attachments are damaged; attach the containers again', { cause });
  }
}

function missing(target: Target): WarrenError {
  const what =
    target.kind === 'pid' ? `process ${target.pid} is not running` : `${target.netnsPath} is not a network namespace`;
  return new WarrenError('attachment-target-missing', `${target.text}: ${what}; start or make it first`, {
    field: 'target',
  });
}

function otherInterface(had: Attachment): WarrenError {
  return new WarrenError(
    'attachment-conflict',
    `${had.target.text} is attached as ${had.interfaceName} already; detach it first to use another name`,
  );
}
