/** `attach --segment`, `detach` and the list, for bridged segments: a change of the book, then of the kernel. */
import { WarrenError } from '../../shared/errors.ts';
import { splitInterfaceAddress } from '../../shared/net/interface-address.ts';
import type { SegmentName } from '../../shared/workload.ts';
import { attachRequestSchema } from '../attach/request.ts';
import { parseFixedTarget, parseTarget } from '../attach/target.ts';
import type { Attached, AttachmentStatus } from '../local/api.ts';
import type { Reached, Reconciler } from '../reconcile.ts';
import type { Member, MemberBook, Wanted } from './book.ts';

export interface MemberCalls {
  attach(target: string, wanted: Wanted): Promise<Attached>;
  /** False where there was nothing to detach. */
  detach(target: string, segment: SegmentName | undefined): Promise<boolean>;
  list(): AttachmentStatus[];
}

export function createMemberCalls(book: MemberBook, reconciler: Pick<Reconciler, 'settle'>): MemberCalls {
  return {
    attach: async (text, wanted) => {
      const one = await book.attach(parseFixedTarget(text), wanted);
      return readAttached(one, await reconciler.settle());
    },
    detach: async (text, segment) => {
      if (!(await book.detach(parseTarget(text).text, segment))) return false;
      await reconciler.settle();
      return true;
    },
    list: () => book.list().map(statusOf),
  };
}

function statusOf({ target, segment, interfaceName, addresses, namespace, attachedAt }: Member): AttachmentStatus {
  return {
    ...attachRequestSchema.parse({ target: target.text, interface: interfaceName, segment, ip: addresses }),
    addresses: addresses.map(addressOf),
    state: namespace === undefined ? 'waiting' : 'attached',
    attachedAt,
  };
}

/** Throws what kept the interface from being made. */
function readAttached(one: Member, { failures, desired }: Reached): Attached {
  const { target, segment, interfaceName } = one;
  const place = desired?.segments.find(({ name }) => name === segment);
  const links: readonly string[] = place === undefined ? [] : [place.bridgeName, place.vxlanName];
  const failure = failures.find(
    ({ subject, kind }) =>
      subject === target.netnsPath || subject === segment || links.includes(subject) || kind === 'observe',
  );
  if (failure !== undefined) {
    throw new WarrenError('command-failed', `${target.text} is not in the segment ${segment}: ${failure.why}`);
  }
  if (place === undefined) {
    throw new WarrenError('not-found', `this host knows no bridged segment ${segment} now; see 'warren status'`);
  }
  const addresses = one.addresses.map(addressOf);
  return {
    target: target.text,
    address: addresses[0] ?? null,
    gateway: null,
    interface: interfaceName,
    mtu: place.mtu,
    addresses,
    gateways: [],
    segment,
    bridge: place.bridgeName,
  };
}

const addressOf = (text: Member['addresses'][number]) => splitInterfaceAddress(text).address;
