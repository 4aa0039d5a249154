/**
 * IP addresses in their one canonical spelling: IPv4 dotted decimal without leading zeros, IPv6 as RFC 5952 writes it.
 * Anything else (`010.0.0.1`, `10.1`, `0x7f.1`, upper case, IPv4-mapped IPv6) is refused, so `===` compares addresses.
 */
import { WarrenError } from '../errors.ts';
import { grammar } from '../grammar.ts';

declare const brand: unique symbol;
export type Address = string & { readonly [brand]: 'Address' };
export type Family = 4 | 6;

export interface AddressValue {
  readonly family: Family;
  /** The address as an unsigned integer of 32 or 128 bits. */
  readonly value: bigint;
}

/** Throws `address-invalid` unless `text` is canonical. */
export function parseAddress(text: string): Address {
  addressValue(text);
  return text as Address;
}

export function isAddress(text: string): text is Address {
  return readAddress(text) !== undefined;
}

export function addressValue(text: string): AddressValue {
  const read = readAddress(text);
  if (read === undefined) throw invalid(text, 'write it like 10.0.0.1 or fd00::1');
  if (formatAddress(read) !== text) throw invalid(text, `write it as ${formatAddress(read)}`);
  if (read.family === 6 && read.value >> 32n === 0xffffn) throw invalid(text, 'write an IPv4-mapped address as IPv4');
  return read;
}

export function formatAddress({ family, value }: AddressValue): Address {
  return (family === 4 ? formatV4(value) : formatV6(value)) as Address;
}

export const addressBits = (family: Family): number => (family === 4 ? 32 : 128);

export const addressSchema = grammar(parseAddress, {
  description: 'IP address in canonical form (RFC 5952 for IPv6)',
  example: '10.86.0.1',
  maxLength: 45,
});

function invalid(text: string, remedy: string): WarrenError {
  return new WarrenError('address-invalid', `'${printable(text)}' is not a canonical IP address; ${remedy}`);
}

/** Cuts and escapes what a stranger wrote, so that an error message stays one readable line. */
export function printable(text: string): string {
  const cut = text.length > 64 ? `${text.slice(0, 64)}…` : text;
  return JSON.stringify(cut).slice(1, -1);
}

function readAddress(text: string): AddressValue | undefined {
  if (text.length > 45) return undefined;
  return text.includes(':') ? readV6(text) : readV4(text);
}

function readV4(text: string): AddressValue | undefined {
  if (!/^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/.test(text)) return undefined;
  let value = 0n;
  for (const part of text.split('.')) {
    const byte = Number(part);
    if (byte > 255) return undefined;
    value = (value << 8n) | BigInt(byte);
  }
  return { family: 4, value };
}

function readV6(text: string): AddressValue | undefined {
  if (!/^[0-9a-fA-F:]+$/.test(text)) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groups(halves[0] ?? '');
  const tail = groups(halves[1] ?? '');
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...head, ...Array.from({ length: missing }, () => 0), ...tail];
  return { family: 6, value: all.reduce((value, group) => (value << 16n) | BigInt(group), 0n) };
}

function groups(text: string): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  if (!parts.every((part) => /^[0-9a-fA-F]{1,4}$/.test(part))) return undefined;
  return parts.map((part) => parseInt(part, 16));
}

function formatV4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.');
}

function formatV6(value: bigint): string {
  const all = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn));
  const run = longestZeroRun(all);
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  if (run.length < 2) return hex(all);
  return `${hex(all.slice(0, run.start))}::${hex(all.slice(run.start + run.length))}`;
}

/** RFC 5952 section 4.2.3: the longest run of zero groups, the first one where two are equally long. */
function longestZeroRun(all: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i <= all.length; i += 1) {
    if (all[i] === 0) continue;
    if (i - start > best.length) best = { start, length: i - start };
    start = i + 1;
  }
  return best;
}
