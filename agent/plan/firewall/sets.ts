/** Address sets, made of parsed prefixes alone. */
import type { Cidr } from '../../../shared/net/cidr.ts';
import { type TablePart, set } from '../nft-table.ts';
import { indexRanges, rangeOf } from '../ranges.ts';

/** `<name>4` and `<name>6`; an unspecified or link-local IPv6 source is how neighbours are found, on any link. */
export function prefixSets(name: string, prefixes: readonly Cidr[], also6: readonly string[] = []): TablePart[] {
  const widest = widestOf(prefixes);
  return [
    set(
      `${name}4`,
      'type ipv4_addr; flags interval',
      widest.filter(isV4).map((prefix) => prefix.replace(/\/32$/, '')),
    ),
    set(`${name}6`, 'type ipv6_addr; flags interval', [
      ...also6,
      ...widest.filter((prefix) => !isV4(prefix)).map((prefix) => prefix.replace(/\/128$/, '')),
    ]),
  ];
}

/** Single addresses, without duplicates. */
export function addressSets(name: string, addresses: Iterable<string>): TablePart[] {
  const all = [...new Set(addresses)].sort();
  return [
    set(`${name}4`, 'type ipv4_addr', all.filter(isV4)),
    set(
      `${name}6`,
      'type ipv6_addr',
      all.filter((address) => !isV4(address)),
    ),
  ];
}

/** Interface names as an anonymous set. */
export const links = (names: readonly string[]): string =>
  `{ ${[...new Set(names)].map((name) => `"${name}"`).join(', ')} }`;

export const isV4 = (text: string): boolean => !text.includes(':');

/** An interval set takes no overlapping elements, so only the outermost prefixes stay. */
function widestOf(prefixes: readonly Cidr[]): Cidr[] {
  const unique = [...new Set(prefixes)].sort();
  const nested = new Set<Cidr>();
  indexRanges(unique, rangeOf).eachNested((_, inner) => nested.add(inner));
  return unique.filter((prefix) => !nested.has(prefix));
}
