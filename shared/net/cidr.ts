/**
 * CIDR prefixes in their one canonical spelling: canonical address, host bits zero, `/length`. Comparison of prefixes is
 * integer comparison of ranges; nothing here knows what a prefix is used for.
 */
import { WarrenError } from '../errors.ts';
import { grammar } from '../grammar.ts';
import { type Address, type Family, addressBits, addressValue, formatAddress, printable } from './address.ts';

declare const brand: unique symbol;
export type Cidr = string & { readonly [brand]: 'Cidr' };

export interface CidrRange {
  readonly family: Family;
  /** Prefix length in bits. */
  readonly length: number;
  readonly first: bigint;
  /** Last address of the range, inclusive. */
  readonly last: bigint;
}

/** Throws `cidr-invalid` unless `text` is canonical. */
export function parseCidr(text: string): Cidr {
  cidrRange(text);
  return text as Cidr;
}

/** The range behind a prefix. Throws `cidr-invalid` when `text` is not canonical. */
export function cidrRange(text: string): CidrRange {
  const match = /^([0-9a-fA-F:.]{2,45})\/(0|[1-9]\d{0,2})$/.exec(text);
  if (match === null) throw invalid(text, 'write it like 10.210.1.0/24 or fd00:1::/64');
  const { family, value } = readBase(text, match[1] ?? '');
  const length = Number(match[2]);
  const bits = addressBits(family);
  if (length > bits) throw invalid(text, `an IPv${family} prefix has at most ${bits} bits`);
  const size = 1n << BigInt(bits - length);
  if (value % size !== 0n) {
    const network = formatAddress({ family, value: value - (value % size) });
    throw invalid(text, `its host bits must be zero: ${network}/${length}`);
  }
  return { family, length, first: value, last: value + size - 1n };
}

function readBase(text: string, base: string): { family: Family; value: bigint } {
  try {
    return addressValue(base);
  } catch (error) {
    throw invalid(text, error instanceof Error ? error.message : 'its address is not canonical');
  }
}

export function makeCidr(family: Family, first: bigint, length: number): Cidr {
  return `${formatAddress({ family, value: first })}/${length}` as Cidr;
}

/** The prefix that holds just this address (/32 or /128). */
export function hostCidr(address: Address): Cidr {
  const { family } = addressValue(address);
  return `${address}/${addressBits(family)}` as Cidr;
}

export const cidrFamily = (cidr: Cidr): Family => (cidr.includes(':') ? 6 : 4);

/** The `offset`-th address of a prefix; offset 1 is a lease's gateway. Throws a RangeError outside of it. */
export function addressAt(cidr: Cidr, offset: bigint): Address {
  const range = cidrRange(cidr);
  const value = range.first + offset;
  if (offset < 0n || value > range.last) throw new RangeError(`offset ${offset} is outside ${cidr}`);
  return formatAddress({ family: range.family, value });
}

export function contains(outer: Cidr, inner: Cidr): boolean {
  const o = cidrRange(outer);
  const i = cidrRange(inner);
  return o.family === i.family && o.first <= i.first && i.last <= o.last;
}

export function containsAddress(cidr: Cidr, address: Address): boolean {
  const range = cidrRange(cidr);
  const { family, value } = addressValue(address);
  return range.family === family && range.first <= value && value <= range.last;
}

/** Two prefixes overlap exactly when one holds the other. */
export function overlaps(a: Cidr, b: Cidr): boolean {
  return contains(a, b) || contains(b, a);
}

/** Orders by family, then first address, then the shorter prefix first. */
export function compareCidr(a: Cidr, b: Cidr): number {
  const x = cidrRange(a);
  const y = cidrRange(b);
  if (x.family !== y.family) return x.family - y.family;
  if (x.first !== y.first) return x.first < y.first ? -1 : 1;
  return x.length - y.length;
}

export const cidrSchema = grammar(parseCidr, {
  description: 'CIDR prefix in canonical form, host bits zero',
  example: '10.210.1.0/24',
  maxLength: 49,
});

function invalid(text: string, remedy: string): WarrenError {
  return new WarrenError('cidr-invalid', `'${printable(text)}' is not a canonical CIDR prefix; ${remedy}`);
}
