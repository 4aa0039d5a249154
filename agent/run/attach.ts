/** `attach`, `detach` and their list: to whom of the agent's books each goes. */
import { noAddress } from '../../shared/attachment.ts';
import { WarrenError } from '../../shared/errors.ts';
import { type InterfaceName, parseInterfaceName } from '../../shared/names.ts';
import { parseInterfaceAddress } from '../../shared/net/interface-address.ts';
import type { SegmentName } from '../../shared/workload.ts';
import { createAttachCalls } from '../attach/calls.ts';
import { isSegmentBridged } from '../attach/segment.ts';
import { attachRequestSchema } from '../attach/request.ts';
import { parseTarget } from '../attach/target.ts';
import type { Wanted } from '../bridged/book.ts';
import { createMemberCalls } from '../bridged/calls.ts';
import { seedOf } from '../config.ts';
import type { LocalHandlers } from '../local/api.ts';
import type { Reconciler } from '../reconcile.ts';
import type { Context } from './context.ts';

type Body = Parameters<LocalHandlers['attach']>[0];

export function createAttachHandlers(
  context: Context,
  reconciler: Reconciler,
): Pick<LocalHandlers, 'attach' | 'detach' | 'attachments'> {
  const { members, membership, agent, clock } = context;
  const calls = createAttachCalls({ ...context, reconciler, seed: seedOf(agent) });
  const memberCalls = createMemberCalls(members, reconciler);
  return {
    attach: async (body) => {
      const { segment } = body;
      const isBridged = segment !== null && (await isSegmentBridged(segment, () => membership.usable(), clock));
      const interfaceName = body.interface ?? parseInterfaceName(isBridged ? 'eth1' : 'eth0');
      if (segment !== null && body.dhcp !== null && !isBridged) {
        const why = `no DHCP server can be in ${segment}, which is no bridged segment; see 'warren segment ls'`;
        throw new WarrenError('usage-invalid', why, { field: 'dhcp' });
      }
      const member = isBridged ? asMember(body, segment, interfaceName) : undefined;
      return member === undefined
        ? // As the saved book reads it back: the same request has the same text, also after a restart.
          calls.attach(attachRequestSchema.parse({ ...body, interface: interfaceName }))
        : memberCalls.attach(body.target, member);
    },
    detach: async ({ target, ...which }) => {
      const isMember = which.interface === undefined && (await memberCalls.detach(target, which.segment));
      await calls.detach(target, which, isMember);
      return {};
    },
    attachments: () => Promise.resolve({ items: [...calls.list(), ...memberCalls.list()] }),
  };
}

/** Undefined where more is asked than the book of bridged segments knows. */
function asMember(body: Body, segment: SegmentName, interfaceName: InterfaceName): Wanted | undefined {
  const { target, ip } = body;
  const plain = attachRequestSchema.parse({ target, interface: interfaceName, segment, ip });
  const whole = attachRequestSchema.parse({ ...body, interface: interfaceName });
  const isPlain = JSON.stringify(plain) === JSON.stringify(whole);
  if (
    !isPlain ||
    parseTarget(target).kind === 'docker' ||
    ip.some((text) => text.includes('@') || text === noAddress)
  ) {
    return undefined;
  }
  return { segment, interfaceName, addresses: ip.map(parseInterfaceAddress) };
}
