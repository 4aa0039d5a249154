/** `attach`, `detach` and their list, as the local socket offers them: a change of the book, then of the kernel. */
import { WarrenError } from '../../shared/errors.ts';
import type { InterfaceName } from '../../shared/names.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { AttachmentStatus, Attached } from '../local/api.ts';
import type { Reached, Reconciler } from '../reconcile.ts';
import { type Attachment, type Attachments, addressesOf } from './attachments.ts';
import { gatewayOf } from './ipam.ts';
import { parseTarget } from './target.ts';

export interface AttachCalls {
  attach(target: string, interfaceName: InterfaceName): Promise<Attached>;
  /** `isOptional`: it is no failure where nothing is attached. */
  detach(target: string, isOptional?: boolean): Promise<void>;
  list(): AttachmentStatus[];
}

export function createAttachCalls(
  attachments: Attachments,
  reconciler: Pick<Reconciler, 'settle'>,
  leases: () => readonly Cidr[],
): AttachCalls {
  return {
    attach: async (text, interfaceName) => {
      const one = await attachments.attach(parseTarget(text), interfaceName, leases());
      const reached = await reconciler.settle();
      return readAttached(one, reached, leases());
    },
    detach: async (text, isOptional = false) => {
      const { text: target } = parseTarget(text);
      if (!(await attachments.detach(target))) {
        if (isOptional) return;
        throw new WarrenError('not-found', `${target} is not attached; 'warren attach ls' lists what is`, {
          field: 'target',
        });
      }
      await reconciler.settle();
    },
    list: () => attachments.list().map((one) => statusOf(one, leases())),
  };
}

export function statusOf(one: Attachment, leases: readonly Cidr[]): AttachmentStatus {
  return {
    target: one.target.text,
    addresses: addressesOf(one, leases),
    segment: null,
    state: one.namespace === undefined ? 'waiting' : 'attached',
    interface: one.interfaceName,
    attachedAt: one.attachedAt,
  };
}

/** Throws what kept the interface from being made. */
function readAttached(one: Attachment, { failures, desired }: Reached, leases: readonly Cidr[]): Attached {
  const failure = failures.find(
    ({ subject, kind }) => subject === one.target.netnsPath || kind === 'observe' || kind.startsWith('bridge'),
  );
  if (failure !== undefined)
    throw new WarrenError('command-failed', `${one.target.text} is not attached: ${failure.why}`);
  const spec = desired?.attachments.find((wanted) => wanted.netnsPath === one.target.netnsPath);
  const addresses = spec?.addresses.map(({ address }) => address) ?? [];
  const gateways = leases.map(gatewayOf).filter((gateway) => spec?.gateways.includes(gateway) ?? false);
  const [address] = addresses;
  const [gateway] = gateways;
  if (desired === undefined || address === undefined || gateway === undefined) {
    throw new WarrenError(
      'no-lease',
      'this host has no usable container subnet now; see the failures in warren status',
    );
  }
  return {
    target: one.target.text,
    address,
    gateway,
    interface: one.interfaceName,
    mtu: desired.mtu,
    addresses,
    gateways,
    segment: null,
    bridge: desired.bridgeName,
  };
}
