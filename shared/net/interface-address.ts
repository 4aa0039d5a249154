/** An address as an interface has it, with the length of the network it is on: `192.168.5.2/24`. */
import { WarrenError } from '../errors.ts';
import { grammar } from '../grammar.ts';
import { type Address, addressBits, addressValue, parseAddress, printable } from './address.ts';
import { type Cidr, makeCidr } from './cidr.ts';

declare const brand: unique symbol;
export type InterfaceAddress = string & { readonly [brand]: 'InterfaceAddress' };

/** Throws `address-invalid` or `cidr-invalid` unless `text` is a canonical address and a length. */
export function parseInterfaceAddress(text: string): InterfaceAddress {
  splitInterfaceAddress(text);
  return text as InterfaceAddress;
}

export function splitInterfaceAddress(text: string): { readonly address: Address; readonly prefix: Cidr } {
  const [, base = '', digits = ''] = /^([^/]{2,45})\/(\d{1,3})$/.exec(text) ?? [];
  const length = Number(digits);
  if (base === '' || String(length) !== digits) throw invalid(text, 'write it like 192.168.5.2/24');
  const address = parseAddress(base);
  const { family, value } = addressValue(address);
  const bits = addressBits(family);
  if (length < 1 || length > bits) throw invalid(text, `the length is 1 to ${bits}`);
  const size = 1n << BigInt(bits - length);
  return { address, prefix: makeCidr(family, value - (value % size), length) };
}

export const interfaceAddressSchema = grammar(parseInterfaceAddress, {
  description: 'Address with the length of its network',
  example: '192.168.5.2/24',
  maxLength: 49,
});

function invalid(text: string, remedy: string): WarrenError {
  return new WarrenError('cidr-invalid', `'${printable(text)}' is not an address with its length; ${remedy}`);
}
