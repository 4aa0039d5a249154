/**
 * The host's own book of who is in which bridged segment, kept over restarts. Members have whatever addresses their owner
 * gave them, or none; nobody is told of those. What the mesh is told is that this host has a member.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { timeSchema } from '../../shared/api/route.ts';
import { WarrenError } from '../../shared/errors.ts';
import { type InterfaceName, interfaceNameSchema } from '../../shared/names.ts';
import {
  type InterfaceAddress,
  interfaceAddressSchema,
  splitInterfaceAddress,
} from '../../shared/net/interface-address.ts';
import { type SegmentName, segmentNameSchema } from '../../shared/workload.ts';
import { type NamespaceProbe, type Presence, type FixedTarget, parseFixedTarget } from '../attach/target.ts';
import { type Clock, timeOf } from '../clock.ts';
import type { AttachmentSpec } from '../plan/settings.ts';

const savedSchema = z.strictObject({
  format: z.literal(1),
  members: z.array(
    z.strictObject({
      target: z.string().max(300),
      segment: segmentNameSchema,
      interfaceName: interfaceNameSchema,
      addresses: z.array(interfaceAddressSchema).max(8),
      startedAt: z.string().nullable(),
      attachedAt: timeSchema,
    }),
  ),
});

export interface Wanted {
  readonly segment: SegmentName;
  readonly interfaceName: InterfaceName;
  readonly addresses: readonly InterfaceAddress[];
}

export interface Member extends Wanted {
  readonly target: FixedTarget;
  /** Of a process: when it started. */
  readonly startedAt: string | undefined;
  readonly attachedAt: string;
  /** Undefined while the namespace is missing; then it is no member to the mesh. */
  readonly namespace: string | undefined;
}

export interface MemberOptions {
  readonly clock: Clock;
  readonly probe: NamespaceProbe;
  /** Tells this instance's links from another's on the same machine. */
  readonly seed: string;
  /** What `save` was last given; undefined at the very first start. */
  readonly saved: string | undefined;
  readonly save: (json: string) => Promise<void>;
}

export interface MemberBook {
  /** Throws `attachment-target-missing`, `attachment-conflict`. */
  attach(target: FixedTarget, wanted: Wanted): Promise<Member>;
  /** Out of one segment, or out of all. True when there was something to detach. */
  detach(text: string, segment: SegmentName | undefined): Promise<boolean>;
  /** Looks at every target again; true when something changed. */
  refresh(): Promise<boolean>;
  list(): readonly Member[];
  specs(): AttachmentSpec[];
  /** Those that are there. */
  members(): { readonly text: string; readonly segment: SegmentName }[];
}

/** Throws `state-corrupt` when `saved` cannot be read. */
export function openMembers({ clock, probe, seed, saved, save }: MemberOptions): MemberBook {
  let all: readonly Member[] = readSaved(saved);
  let turn: Promise<unknown> = Promise.resolve();
  /** One change at a time; a change is in the file before it is in memory. */
  const inTurn = <T>(fn: () => Promise<T>): Promise<T> => {
    const done = turn.then(fn);
    turn = done.catch(() => undefined);
    return done;
  };
  const commit = async (changed: readonly Member[]): Promise<void> => {
    if (formatSaved(changed) !== formatSaved(all)) await save(formatSaved(changed));
    all = changed;
  };
  const present = (): Member[] => all.filter(({ namespace }) => namespace !== undefined);

  return {
    attach: (target, wanted) =>
      inTurn(async () => {
        const presence = await probe.look(target);
        if (presence.kind !== 'present' || presence.namespace === (await probe.own())) throw unfit(target, presence);
        const had = all.find((one) => one.target.text === target.text && one.segment === wanted.segment);
        const isKept = had !== undefined && isSame(had, presence);
        if (isKept && !isEqual(had, wanted)) throw otherwise(had);
        const { namespace, startedAt } = presence;
        const attachedAt = isKept ? had.attachedAt : timeOf(clock.now());
        const made: Member = { ...wanted, target, startedAt, attachedAt, namespace };
        const others = all.filter((one) => one !== had);
        refuseTaken(made, others);
        await commit([...others, made]);
        return made;
      }),
    detach: (text, segment) =>
      inTurn(async () => {
        const isMeant = (one: Member): boolean =>
          one.target.text === text && (segment === undefined || one.segment === segment);
        const others = all.filter((one) => !isMeant(one));
        if (others.length === all.length) return false;
        await commit(others);
        return true;
      }),
    refresh: () =>
      inTurn(async () => {
        const kept: Member[] = [];
        for (const one of all) {
          const presence = await probe.look(one.target);
          const isHere = presence.kind === 'present';
          if (one.target.kind === 'pid' && !(isHere && isSame(one, presence))) continue;
          kept.push({ ...one, namespace: isHere ? presence.namespace : undefined });
        }
        const isChanged = kept.length !== all.length || kept.some((one, i) => one.namespace !== all[i]?.namespace);
        if (isChanged) await commit(kept);
        return isChanged;
      }),
    list: () => all,
    specs: () => present().map((one) => specOf(one, seed)),
    members: () => present().map(({ target, segment }) => ({ text: target.text, segment })),
  };
}

function specOf({ target, segment, interfaceName, addresses }: Member, seed: string): AttachmentSpec {
  const digest = createHash('sha256').update(`${seed}\0${target.text}\0${segment}`).digest();
  return {
    id: BigInt(`0x${digest.subarray(0, 7).toString('hex')}`)
      .toString(36)
      .slice(0, 11),
    netnsPath: target.netnsPath,
    interfaceName,
    addresses: addresses.map(splitInterfaceAddress).map(({ address, prefix }) => ({ address, lease: prefix })),
    gateways: [],
    mac: `02:${(digest.subarray(8, 13).toString('hex').match(/../g) ?? []).join(':')}`,
    segment,
  };
}

function refuseTaken(made: Member, others: readonly Member[]): void {
  for (const one of others) {
    if (one.namespace !== made.namespace) continue;
    if (one.segment === made.segment) {
      const why = `${made.target.text} is the namespace that is in ${one.segment} as ${one.target.text}`;
      throw new WarrenError('attachment-conflict', `${why}; detach that first`, { field: 'target' });
    }
    if (one.interfaceName !== made.interfaceName) continue;
    const why = `${one.interfaceName} of ${made.target.text} is in the segment ${one.segment} already`;
    throw new WarrenError('attachment-conflict', `${why}; give --interface another name`, { field: 'interface' });
  }
}

const isSame = (one: Member, presence: Presence & { kind: 'present' }): boolean =>
  one.target.kind !== 'pid' || one.startedAt === presence.startedAt;

const isEqual = (had: Wanted, wanted: Wanted): boolean =>
  had.interfaceName === wanted.interfaceName && had.addresses.join() === wanted.addresses.join();

function unfit(target: FixedTarget, { kind }: Presence): WarrenError {
  return kind !== 'present'
    ? new WarrenError('attachment-target-missing', `${target.text} is not there; start or make it first`, {
        field: 'target',
      })
    : new WarrenError('attachment-conflict', `${target.text} lives in the host's own network namespace`, {
        field: 'target',
      });
}

function otherwise({ target, segment, interfaceName, addresses }: Member): WarrenError {
  const how = [interfaceName, ...addresses].join(' ');
  return new WarrenError(
    'attachment-conflict',
    `${target.text} is in the segment ${segment} as ${how} already; detach it first to change that`,
  );
}

const formatSaved = (all: readonly Member[]): string =>
  `${JSON.stringify({
    format: 1,
    members: all.map(({ target, segment, interfaceName, addresses, startedAt, attachedAt }) => ({
      target: target.text,
      segment,
      interfaceName,
      addresses,
      startedAt: startedAt ?? null,
      attachedAt,
    })),
  })}\n`;

function readSaved(text: string | undefined): Member[] {
  if (text === undefined) return [];
  try {
    return savedSchema.parse(JSON.parse(text)).members.map((one) => ({
      ...one,
      target: parseFixedTarget(one.target),
      startedAt: one.startedAt ?? undefined,
      namespace: undefined,
    }));
  } catch (cause) {
    const why = 'the saved members of bridged segments are damaged; attach the containers again';
    throw new WarrenError('state-corrupt', why, { cause });
  }
}
