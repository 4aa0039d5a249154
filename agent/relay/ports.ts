/**
 * The ports that a relay gives to pairs: two neighbours for each pair, the first for the host whose id is lower. So one
 * port tells the other, and a claim that outlived the relay's agent names its pair again. Pure.
 */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export const defaultPorts: PortRange = { first: 51_900, last: 52_923 };

export const slotsOf = ({ first, last }: PortRange): number => Math.floor((last - first + 1) / 2);

export const portsOfSlot = ({ first }: PortRange, slot: number): readonly [number, number] => [
  first + 2 * slot,
  first + 2 * slot + 1,
];

/** Undefined for a port that belongs to no pair. */
export function slotOf(range: PortRange, port: number): { slot: number; side: 0 | 1 } | undefined {
  const offset = port - range.first;
  const slot = Math.floor(offset / 2);
  if (offset < 0 || slot >= slotsOf(range)) return undefined;
  return { slot, side: offset % 2 === 0 ? 0 : 1 };
}

/** `first-last`, of a text that has this shape. */
export function readPorts(text: string): PortRange {
  const [first = NaN, last = NaN] = text.split('-').map(Number);
  return { first, last };
}
