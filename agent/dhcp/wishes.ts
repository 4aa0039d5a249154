/** Which attachments ask for a DHCP client. Pure. */
import type { Attachment } from '../attach/attachments.ts';
import { attachmentId } from '../attach/spec.ts';
import type { ClientWish } from './client.ts';
import type { DhcpWishes } from './clients.ts';

export function dhcpWishes(all: readonly Attachment[], seed: string): DhcpWishes {
  const asking = all.filter(({ request, isLeaving }) => request.dhcp !== null && !isLeaving);
  return {
    kept: new Set(asking.map((one) => attachmentId(one, seed))),
    present: asking.flatMap((one) => wishOf(one, seed) ?? []),
  };
}

function wishOf(one: Attachment, seed: string): ClientWish | undefined {
  if (one.place === undefined) return undefined;
  const { place, interface: interfaceName } = one.request;
  const isMacShared = place.kind === 'card' && place.mode === 'ipvlan';
  return { ...one.place, id: attachmentId(one, seed), interfaceName, isMacShared };
}
