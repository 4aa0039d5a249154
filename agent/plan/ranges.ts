/**
 * Prefixes as pairs of sortable texts, and an index over many of them. Bigint arithmetic costs too much for thousands
 * of prefixes per plan; fixed-width hexadecimal compares as the numbers do.
 */
import type { Address } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';

export interface Range {
  /** Family digit and first address in hexadecimal, fixed width. */
  readonly first: string;
  readonly last: string;
}

/**
 * Every plan asks for the same prefixes again, and reading them is most of its work. The memory is bounded, holds
 * nothing but a pure function's answers, and is dropped as a whole when it is full.
 */
const known = new Map<string, Range>();
const mostKnown = 65_536;

/** `cidr` must be a canonical prefix, or an address with its length; host bits are cut off. */
export function rangeOf(cidr: Cidr | string): Range {
  const before = known.get(cidr);
  if (before !== undefined) return before;
  if (known.size >= mostKnown) known.clear();
  const range = readRange(cidr);
  known.set(cidr, range);
  return range;
}

/** The range that holds just this address. */
export function pointOf(address: Address): Range {
  return rangeOf(prefixOfOne(address));
}

/** As `hostCidr`, for an address that was parsed before. */
export const prefixOfOne = (address: Address): Cidr =>
  (address.includes(':') ? `${address}/128` : `${address}/32`) as Cidr;

function readRange(cidr: string): Range {
  const slash = cidr.lastIndexOf('/');
  const key = keyOf(cidr.slice(0, slash) as Address);
  const length = Number(cidr.slice(slash + 1));
  const kept = 1 + (length >> 2);
  const rest = key.length - kept;
  if (rest === 0) return { first: key, last: key };
  const bits = length & 3;
  const nibble = parseInt(key.charAt(kept), 16);
  const low = nibble & (0xf0 >> bits) & 0xf;
  const head = key.slice(0, kept);
  return {
    first: head + low.toString(16) + '0'.repeat(rest - 1),
    last: head + (low | (0xf >> bits)).toString(16) + 'f'.repeat(rest - 1),
  };
}

export function keyOf(address: Address): string {
  if (!address.includes(':')) {
    let value = 0;
    for (const part of address.split('.')) value = value * 256 + Number(part);
    return `4${value.toString(16).padStart(8, '0')}`;
  }
  const [head = '', tail] = address.split('::');
  const left = hexGroups(head);
  if (tail === undefined) return `6${left}`;
  const right = hexGroups(tail);
  return `6${left}${'0'.repeat(32 - left.length - right.length)}${right}`;
}

function hexGroups(text: string): string {
  if (text === '') return '';
  return text
    .split(':')
    .map((group) => group.padStart(4, '0'))
    .join('');
}

interface Entry<T> {
  readonly range: Range;
  readonly value: T;
  parent: Entry<T> | undefined;
}

export interface RangeIndex<T> {
  /** Values whose range holds the whole of `range`, most specific first. */
  covering(range: Range): Iterable<T>;
  /** One value whose range shares an address with `range`. */
  overlap(range: Range): T | undefined;
  /** Calls `visit(outer, inner)` for every pair where one range holds the other (or is equal). */
  eachNested(visit: (outer: T, inner: T) => void): void;
}

/** Prefixes are nested or disjoint, never partly overlapping, so each has at most one nearest outer one. */
export function indexRanges<T>(items: Iterable<T>, range: (item: T) => Range): RangeIndex<T> {
  const entries: Entry<T>[] = [];
  for (const value of items) entries.push({ range: range(value), value, parent: undefined });
  entries.sort(byFirstThenWider);
  let open: Entry<T> | undefined;
  for (const entry of entries) {
    while (open !== undefined && open.range.last < entry.range.first) open = open.parent;
    entry.parent = open;
    open = entry;
  }
  return {
    covering: (wanted) => covering(entries, wanted),
    overlap(wanted) {
      for (const value of covering(entries, wanted)) return value;
      const next = entries[countUpTo(entries, wanted.first)];
      if (next !== undefined && next.range.first <= wanted.last) return next.value;
      return insideAtFirst(entries, wanted);
    },
    eachNested(visit) {
      for (const entry of entries) {
        for (let outer = entry.parent; outer !== undefined; outer = outer.parent) visit(outer.value, entry.value);
      }
    },
  };
}

function* covering<T>(entries: readonly Entry<T>[], wanted: Range): Iterable<T> {
  let entry = entries[countUpTo(entries, wanted.first) - 1];
  for (; entry !== undefined; entry = entry.parent) {
    if (entry.range.last >= wanted.last) yield entry.value;
  }
}

/** A narrower range that starts where `wanted` starts sorts before it and is not "next". */
function insideAtFirst<T>(entries: readonly Entry<T>[], wanted: Range): T | undefined {
  const before = entries[countUpTo(entries, wanted.first) - 1];
  return before !== undefined && before.range.first === wanted.first ? before.value : undefined;
}

/** How many entries start at or before `first`. */
function countUpTo<T>(entries: readonly Entry<T>[], first: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((entries[middle]?.range.first ?? '') <= first) low = middle + 1;
    else high = middle;
  }
  return low;
}

function byFirstThenWider(a: Entry<unknown>, b: Entry<unknown>): number {
  if (a.range.first !== b.range.first) return a.range.first < b.range.first ? -1 : 1;
  if (a.range.last === b.range.last) return 0;
  return a.range.last > b.range.last ? -1 : 1;
}
