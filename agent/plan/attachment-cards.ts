/**
 * Attachments without an end on the host: a link of their own on a network card (macvlan, ipvlan), the card itself, moved
 * into the namespace and given back, or a dummy. What was detached is taken out of the namespace here.
 */
import type { AttachmentSteps } from './attachments.ts';
import { vlanLinkOn } from './attachment-vlans.ts';
import { insideChange } from './attachment-inside.ts';
import type { Desired } from './desired.ts';
import type { Observed, ObservedLink, ObservedNamespace } from './observed.ts';
import type { AttachmentPlace, AttachmentSpec } from './settings.ts';

type CardPlace = Extract<AttachmentPlace, { kind: 'card' }>;
type DirectPlace = Extract<AttachmentPlace, { kind: 'direct' }>;

/** The alias of a card that was moved; it tells which attachment has it and what it is called on the host. */
export const cardMark = (mark: string, id: string, card: string): string => `${mark}:${id}:${card}`;

/** The card's name on the host, undefined for a link that is not this attachment's card. */
export function cardNameOf(mark: string, id: string, alias: string | undefined): string | undefined {
  const prefix = cardMark(mark, id, '');
  const name = alias?.startsWith(prefix) === true ? alias.slice(prefix.length) : '';
  return /^[A-Za-z][A-Za-z0-9_.-]{0,14}$/.test(name) ? name : undefined;
}

export function planCard(
  desired: Desired,
  spec: AttachmentSpec,
  observed: Observed,
  inside: ObservedNamespace,
  steps: AttachmentSteps,
): void {
  const { place } = spec;
  if (place?.kind === 'card') planChild(desired, place, spec, observed, inside, steps);
  if (place?.kind === 'dummy') planDummy(spec, inside, steps);
  if (place?.kind === 'direct') planMoved(desired, place, spec, observed, inside, steps);
}

function planChild(
  { mark }: Desired,
  place: CardPlace,
  spec: AttachmentSpec,
  observed: Observed,
  inside: ObservedNamespace,
  { sets, removes, refusals }: AttachmentSteps,
): void {
  const inner = inside.links.get(spec.interfaceName);
  const isOurs = inner?.kind === place.mode && (place.mode === 'ipvlan' || inner.mac === spec.mac);
  if (spec.isLeaving === true) {
    if (isOurs) removes.push({ kind: 'card-remove', spec, why: 'it was detached' });
    return;
  }
  const refuse = (why: string): void =>
    void refusals.push({ kind: 'attachment-refused', subject: spec.netnsPath, why });
  if (inner !== undefined && !isOurs) return refuse(takenName(spec));
  const named = findCard(observed, place.card);
  if (named === undefined) return refuse(`this host has no network card ${place.card}; see 'ip link', and --phys`);
  const card = typeof place.vlan === 'number' ? vlanLinkOn(named, place.vlan, mark, observed, sets) : named;
  if (typeof card === 'string') return refuse(card);
  if (inner === undefined) {
    const { mode } = place;
    sets.push({
      kind: 'card-create',
      spec,
      card: card.name,
      mode,
      mtu: card.mtu,
      why: 'the namespace is not attached',
    });
    return;
  }
  const set = insideChange(spec, inner, inside, card.mtu);
  if (set !== undefined) sets.push(set);
}

/** Nothing on the host is behind it. */
function planDummy(spec: AttachmentSpec, inside: ObservedNamespace, steps: AttachmentSteps): void {
  const inner = inside.links.get(spec.interfaceName);
  const isOurs = inner?.kind === 'dummy' && inner.mac === spec.mac;
  if (spec.isLeaving === true) {
    if (isOurs) steps.removes.push({ kind: 'card-remove', spec, why: 'it was detached' });
  } else if (inner === undefined) {
    steps.sets.push({ kind: 'dummy-create', spec, mtu: dummyMtu, why: 'the namespace is not attached' });
  } else if (isOurs) {
    const set = insideChange(spec, inner, inside, dummyMtu);
    if (set !== undefined) steps.sets.push(set);
  } else steps.refusals.push({ kind: 'attachment-refused', subject: spec.netnsPath, why: takenName(spec) });
}

const dummyMtu = 1500;

function planMoved(
  { mark, interfaceName, bridgeName }: Desired,
  place: DirectPlace,
  spec: AttachmentSpec,
  observed: Observed,
  inside: ObservedNamespace,
  { sets, removes, refusals }: AttachmentSteps,
): void {
  const refuse = (why: string): void =>
    void refusals.push({ kind: 'attachment-refused', subject: spec.netnsPath, why });
  const moved = [...inside.links.values()].find(({ alias }) => cardNameOf(mark, spec.id, alias) !== undefined);
  const home = cardNameOf(mark, spec.id, moved?.alias);
  if (moved !== undefined && home !== undefined) {
    // One that did not get its name is given back, and moved anew.
    if (spec.isLeaving === true || moved.name !== spec.interfaceName) {
      removes.push({ kind: 'card-return', spec, from: moved.name, to: home, why: 'it was detached' });
      return;
    }
    const set = insideChange(spec, moved, inside, moved.mtu);
    if (set !== undefined) sets.push(set);
    return;
  }
  if (spec.isLeaving === true) return;
  if (inside.links.has(spec.interfaceName)) return refuse(takenName(spec));
  const returned = [...observed.links.values()].find(({ alias }) => cardNameOf(mark, spec.id, alias) !== undefined);
  const card = returned ?? findCard(observed, place.card);
  if (card === undefined)
    return refuse(`this host has no network card ${place.card}; see 'ip link', and --direct-phys`);
  const why = whyNotMovable(card, observed, [interfaceName, bridgeName]);
  if (why !== undefined) return refuse(why);
  const name = cardNameOf(mark, spec.id, returned?.alias) ?? card.name;
  const alias = cardMark(mark, spec.id, name);
  sets.push({
    kind: 'card-move',
    spec,
    card: card.name,
    alias,
    mtu: card.mtu,
    why: 'the card is not in the namespace',
  });
}

/** A card that came back by itself, because its namespace ended, gets its name again. */
export function planReturned(desired: Desired, observed: Observed, { removes }: AttachmentSteps): void {
  const kept = new Set(
    desired.attachments.flatMap(({ id, place, isLeaving }) =>
      place?.kind === 'direct' && isLeaving !== true && observed.attachments.has(id) ? [id] : [],
    ),
  );
  for (const { name, alias } of observed.links.values()) {
    const [, id = ''] =
      alias?.startsWith(`${desired.mark}:`) === true ? alias.slice(desired.mark.length).split(':') : [];
    const home = cardNameOf(desired.mark, id, alias);
    if (home === undefined || kept.has(id)) continue;
    removes.push({ kind: 'card-settle', interfaceName: name, to: home, why: 'it came back from a namespace' });
  }
}

function findCard(observed: Observed, wish: string): ObservedLink | undefined {
  if (!wish.startsWith('mac:')) return observed.links.get(wish);
  const mac = wish.slice('mac:'.length);
  return [...observed.links.values()].find(
    (link) => link.mac === mac && !['bridge', 'macvlan'].includes(link.kind ?? ''),
  );
}

/** The host must not be cut off, and nobody else's link taken apart. */
function whyNotMovable(card: ObservedLink, { routes }: Observed, own: readonly string[]): string | undefined {
  const route = routes.find(({ prefix, device }) => /^(0\.0\.0\.0|::)\/0$/.test(prefix) && device === card.name);
  if (card.isLoopback || own.includes(card.name)) return `${card.name} cannot be moved; name a spare network card`;
  if (card.master !== undefined) return `${card.name} is a port of ${card.master}; take it out of there first`;
  if (route !== undefined) return `${card.name} has the host's default route; name a spare network card`;
  return undefined;
}

const takenName = ({ netnsPath, interfaceName }: AttachmentSpec): string =>
  `${netnsPath} has an interface ${interfaceName} already; attach under another name`;
