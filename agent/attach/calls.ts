/** `attach`, `detach` and their list, as the local socket offers them: a change of the book, then of the kernel. */
import { WarrenError } from '../../shared/errors.ts';
import type { AttachmentStatus, Attached } from '../local/api.ts';
import type { Desired } from '../plan/desired.ts';
import type { AttachmentSpec } from '../plan/settings.ts';
import type { Reached, Reconciler } from '../reconcile.ts';
import { type Attachment, type Attachments, type Ground, type Which, keyOf } from './attachments.ts';
import { type Clock, pause } from '../clock.ts';
import type { DhcpClients } from '../dhcp/clients.ts';
import type { ContainerProbe } from './containers.ts';
import { type AttachRequest, type WishedPlace, checkRequest } from './request.ts';
import { attachedAddresses, attachmentId } from './spec.ts';
import { parseTarget } from './target.ts';

export interface AttachCalls {
  attach(request: AttachRequest): Promise<Attached>;
  /** All of the target's where neither is named; `isOptional`: it is no failure where nothing is attached. */
  detach(target: string, which: Which, isOptional?: boolean): Promise<void>;
  list(): AttachmentStatus[];
}

export interface AttachCallParts {
  readonly attachments: Attachments;
  readonly probe: ContainerProbe;
  readonly reconciler: Pick<Reconciler, 'settle'>;
  readonly ground: () => Ground;
  readonly seed: string;
  readonly dhcp: Pick<DhcpClients, 'hasLeaseNow' | 'faultOf'>;
  readonly clock: Clock;
}

export function createAttachCalls(parts: AttachCallParts): AttachCalls {
  const { attachments, probe, reconciler } = parts;
  return {
    attach: async (request) => {
      const target = parseTarget(request.target);
      await probe.ask(target);
      const one = await attachments.attach(target, checkRequest(request));
      const attached = readAttached(one, await reconciler.settle(), parts.seed);
      if (request.dhcp === null) return attached;
      await waitForLease(one, parts);
      return readAttached(one, await reconciler.settle(), parts.seed);
    },
    detach: async (text, which, isOptional = false) => {
      const { text: target } = parseTarget(text);
      if ((await attachments.detach(target, which)) === 0) {
        if (isOptional) return;
        const what = [which.interface, which.segment, target].filter((one) => one !== undefined).join(' of ');
        throw new WarrenError('not-found', `${what} is not attached; 'warren attach ls' lists what is`, {
          field: 'target',
        });
      }
      const { failures } = await reconciler.settle();
      const left = attachments
        .list()
        .find((one) => one.isLeaving && one.target.text === target && one.place !== undefined);
      const failure = left && failures.find(({ subject }) => subject === left.place?.netnsPath);
      if (failure !== undefined) throw new WarrenError('command-failed', `${target} is still attached: ${failure.why}`);
    },
    list: () => attachments.list().map((one) => statusOf(one, parts)),
  };
}

/** The client goes on asking whatever comes of this. */
const leaseSeconds = 10;

async function waitForLease(one: Attachment, { dhcp, clock, seed }: AttachCallParts): Promise<void> {
  const id = attachmentId(one, seed);
  const end = clock.now() + leaseSeconds * 1000;
  while (!(await dhcp.hasLeaseNow(id))) {
    const fault = one.place === undefined ? undefined : dhcp.faultOf(one.place.netnsPath);
    if (fault !== undefined) throw new WarrenError('command-failed', `${one.target.text} has no lease: ${fault.why}`);
    if (clock.now() > end) {
      const why = `no DHCP server has answered ${keyOf(one.target.text, one.request.interface)} for ${leaseSeconds} s`;
      throw new WarrenError('timeout', `${why}; the client goes on asking, until it is detached`);
    }
    await pause(clock, 100, new AbortController().signal);
  }
}

export function statusOf(one: Attachment, { ground }: Pick<AttachCallParts, 'ground'>): AttachmentStatus {
  return {
    ...one.request,
    addresses: attachedAddresses(one, ground()),
    state: one.isLeaving ? 'leaving' : one.place === undefined ? 'waiting' : 'attached',
    attachedAt: one.attachedAt,
  };
}

/** That the host's end is in; empty where it is on a network card. */
function bridgeOf({ place, segment }: AttachmentSpec, { segments, bridgeName }: Desired): string {
  if (place !== undefined) return place.kind === 'bridge' ? place.bridge : '';
  return segments.find(({ name }) => name === segment)?.bridgeName ?? bridgeName;
}

/** The bridge or the VLAN's link could not be made. */
function isOfPlace(place: WishedPlace, subject: string, kind: string): boolean {
  if (place.kind === 'bridge') return subject === place.bridge;
  return place.kind === 'card' && kind === 'vlan-create' && subject.endsWith(`.${place.vlan}`);
}

/** Throws what kept the interface from being made. */
function readAttached(one: Attachment, { failures, desired }: Reached, seed: string): Attached {
  const { target, request, place } = one;
  const id = attachmentId(one, seed);
  const spec = desired?.attachments.find((wanted) => wanted.id === id);
  const isOnMesh = request.place.kind === 'mesh';
  const failure = failures.find(
    ({ subject, kind }) =>
      subject === place?.netnsPath ||
      kind === 'observe' ||
      (isOnMesh && kind.startsWith('bridge')) ||
      isOfPlace(request.place, subject, kind),
  );
  if (failure !== undefined) {
    const what = keyOf(target.text, request.interface);
    throw new WarrenError('command-failed', `${what} is not attached: ${failure.why}`);
  }
  const isBare = request.ip.length > 0 || !isOnMesh || spec?.segment !== undefined;
  if (desired === undefined || spec === undefined || (spec.addresses.length === 0 && !isBare)) {
    throw new WarrenError(
      'no-lease',
      'this host has no usable container subnet now; see the failures in warren status',
    );
  }
  const addresses = spec.addresses.map(({ address }) => address);
  return {
    target: target.text,
    address: addresses[0] ?? null,
    gateway: spec.gateways[0] ?? null,
    interface: request.interface,
    mtu: desired.mtu,
    addresses,
    gateways: [...spec.gateways],
    segment: spec.segment ?? null,
    bridge: bridgeOf(spec, desired),
  };
}
