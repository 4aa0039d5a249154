/** What the CNI plugin asks of the running agent: a change of the book, then of the kernel. */
import { WarrenError } from '../../shared/errors.ts';
import type { Address } from '../../shared/net/address.ts';
import { parseCidr } from '../../shared/net/cidr.ts';
import type { CniAdded, CniState, CniWishBody } from '../local/api.ts';
import type { Reconciler } from '../reconcile.ts';
import { addressInside } from '../plan/attachments.ts';
import { type AttachmentRoute, vethName } from '../plan/settings.ts';
import { showLinks, showNamespace } from '../system/ip.ts';
import type { System } from '../system/run.ts';
import type { CniBook, CniEntry, CniOwner } from './book.ts';

export interface CniCalls {
  add(wish: CniWishBody): Promise<CniAdded>;
  remove(owner: CniOwner): Promise<void>;
  state(): CniState;
}

export interface CniCallParts {
  readonly book: CniBook;
  readonly system: System;
  readonly reconciler: Pick<Reconciler, 'settle' | 'reached'>;
  readonly isMember: () => boolean;
}

export function createCniCalls({ book, system, reconciler, isMember }: CniCallParts): CniCalls {
  const remove = async (owner: CniOwner): Promise<void> => {
    if (await book.remove(owner)) await reconciler.settle();
  };
  return {
    add: async (wish) => {
      await refuseTaken(system, wish);
      const entry = await book.add(wish);
      try {
        return await makeInterface(entry, { system, reconciler });
      } catch (error) {
        // The runtime gives up on this container, and so must the book.
        await remove(entry.owner);
        throw error;
      }
    },
    remove,
    state: () => ({
      isMember: isMember(),
      hasBridge: reconciler.reached().desired?.bridge !== undefined,
      entries: book.list().map(({ owner, netns, addresses, mac }) => ({ owner, netns, addresses, mac })),
    }),
  };
}

/** The specification wants a failure, and an interface of somebody else must not be taken over. */
async function refuseTaken(system: System, { netns, owner }: CniWishBody): Promise<void> {
  const inside = await showNamespace(system, netns);
  if (inside?.links.has(owner.interface) !== true) return;
  throw new WarrenError('attachment-conflict', `${netns} has an interface ${owner.interface} already`);
}

async function makeInterface(
  { owner, netns, mac }: CniEntry,
  { system, reconciler }: Pick<CniCallParts, 'system' | 'reconciler'>,
): Promise<CniAdded> {
  const { failures, desired } = await reconciler.settle();
  const spec = desired?.attachments.find((one) => one.netnsPath === netns && one.interfaceName === owner.interface);
  const failure = failures.find(
    ({ subject, kind }) => subject === netns || kind === 'observe' || kind.startsWith('bridge'),
  );
  if (failure !== undefined) throw new WarrenError('command-failed', `${netns} is not attached: ${failure.why}`);
  if (desired?.bridge === undefined || spec === undefined || spec.addresses.length === 0) {
    throw new WarrenError(
      'no-lease',
      'this host has no usable container subnet now; see the failures in warren status',
    );
  }
  const outer = (await showLinks(system)).get(vethName(spec.id));
  if (outer === undefined)
    throw new WarrenError('command-failed', `${netns} is not attached: the link went away at once`);
  const gateways = spec.meshGateways ?? spec.gateways;
  return {
    mtu: desired.bridge.mtu,
    mac,
    host: { name: outer.name, mac: outer.mac ?? '' },
    bridge: { name: desired.bridgeName, mac: (await showLinks(system)).get(desired.bridgeName)?.mac ?? '' },
    addresses: spec.addresses.map((one, i) => ({
      address: addressInside(one),
      gateway: gateways[i] ?? one.address,
    })),
    routes: [...spec.gateways.map(defaultRoute), ...(spec.routes ?? []).flatMap(throughGateway)],
  };
}

const defaultRoute = (gateway: Address): CniAdded['routes'][number] => ({
  prefix: parseCidr(gateway.includes(':') ? '::/0' : '0.0.0.0/0'),
  gateway,
});

const throughGateway = ({ prefix, gateway }: AttachmentRoute): CniAdded['routes'] =>
  gateway === undefined ? [] : [{ prefix, gateway }];
