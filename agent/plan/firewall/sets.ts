/** Address sets as nft text, made of parsed prefixes alone. */
import type { Cidr } from '../../../shared/net/cidr.ts';
import { indexRanges, rangeOf } from '../ranges.ts';

/** `<name>4` and `<name>6`; an unspecified or link-local IPv6 source is how neighbours are found, on any link. */
export function prefixSets(name: string, prefixes: readonly Cidr[], also6: readonly string[] = []): string[] {
  const widest = widestOf(prefixes);
  return [
    set(`${name}4`, 'ipv4_addr; flags interval', widest.filter(isV4)),
    set(`${name}6`, 'ipv6_addr; flags interval', [...also6, ...widest.filter((prefix) => !isV4(prefix))]),
  ];
}

/** Single addresses, without duplicates. */
export function addressSets(name: string, addresses: Iterable<string>): string[] {
  const all = [...new Set(addresses)].sort();
  return [
    set(`${name}4`, 'ipv4_addr', all.filter(isV4)),
    set(
      `${name}6`,
      'ipv6_addr',
      all.filter((address) => !isV4(address)),
    ),
  ];
}

/** Interface names as an anonymous set. */
export const links = (names: readonly string[]): string =>
  `{ ${[...new Set(names)].map((name) => `"${name}"`).join(', ')} }`;

export const isV4 = (text: string): boolean => !text.includes(':');

function set(name: string, type: string, elements: readonly string[]): string {
  const list = elements.length === 0 ? '' : ` elements = { ${elements.join(', ')} };`;
  return `  set ${name} { type ${type};${list} }`;
}

/** An interval set takes no overlapping elements, so only the outermost prefixes stay. */
function widestOf(prefixes: readonly Cidr[]): Cidr[] {
  const unique = [...new Set(prefixes)].sort();
  const nested = new Set<Cidr>();
  indexRanges(unique, rangeOf).eachNested((_, inner) => nested.add(inner));
  return unique.filter((prefix) => !nested.has(prefix));
}
