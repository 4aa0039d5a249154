/**
 * The grammars of what an attached interface is given: addresses with their gateway, routes, MAC addresses, network cards.
 * Parsed where a person writes them and again by the agent, so that no command is ever built of anything else.
 */
import { z } from 'zod';
import { WarrenError } from './errors.ts';
import { grammar } from './grammar.ts';
import { type Address, addressBits, addressValue, parseAddress, printable } from './net/address.ts';
import { type Cidr, makeCidr, parseCidr } from './net/cidr.ts';

declare const brand: unique symbol;
/** `192.168.5.7/24`, `192.168.5.7/24@192.168.5.1`, or `0/0` for no address at all. */
export type AddressWish = string & { readonly [brand]: 'AddressWish' };
/** `10.0.0.0/8` or `10.0.0.0/8@192.168.5.1`. */
export type RouteWish = string & { readonly [brand]: 'RouteWish' };
export type MacAddress = string & { readonly [brand]: 'MacAddress' };
/** A network card of the host by name, or by MAC address as `mac:02:…`. */
export type CardWish = string & { readonly [brand]: 'CardWish' };
/** Names of links that Warren did not choose: a VLAN's has a dot, and some have upper case. */
export type LinkName = string & { readonly [brand]: 'LinkName' };

export interface WishedAddress {
  readonly address: Address;
  /** The network it is in, for its length. */
  readonly network: Cidr;
  readonly gateway: Address | undefined;
}

export interface WishedRoute {
  readonly prefix: Cidr;
  /** Undefined: straight out of the interface. */
  readonly gateway: Address | undefined;
}

export const noAddress = '0/0';

/** A VLAN number of IEEE 802.1Q; 0 and 4095 are none. */
export const vlanSchema = z.int().min(1).max(4094);
export type Vlan = z.infer<typeof vlanSchema>;

/** Undefined for `0/0`. Throws `address-invalid` or `cidr-invalid`. */
export function readAddressWish(text: string): WishedAddress | undefined {
  if (text === noAddress) return undefined;
  const [, bare = '', length = '', gateway] = /^([0-9a-f:.]+)\/(0|[1-9]\d{0,2})(?:@([0-9a-f:.]+))?$/.exec(text) ?? [];
  if (bare === '') throw invalid(text, 'write it like 192.168.5.7/24, 192.168.5.7/24@192.168.5.1 or 0/0 for none');
  const address = parseAddress(bare);
  const { family, value } = addressValue(address);
  const bits = addressBits(family);
  if (Number(length) > bits || length === '0')
    throw invalid(text, `an IPv${family} address has a length of 1 to ${bits}`);
  const rest = BigInt(bits - Number(length));
  return {
    address,
    network: makeCidr(family, (value >> rest) << rest, Number(length)),
    gateway: readGateway(text, gateway, family),
  };
}

export function readRouteWish(text: string): WishedRoute {
  const at = text.indexOf('@');
  const prefix = parseCidr(at === -1 ? text : text.slice(0, at));
  const family = prefix.includes(':') ? 6 : 4;
  return { prefix, gateway: readGateway(text, at === -1 ? undefined : text.slice(at + 1), family) };
}

export function parseAddressWish(text: string): AddressWish {
  readAddressWish(text);
  return text as AddressWish;
}

export function parseRouteWish(text: string): RouteWish {
  readRouteWish(text);
  return text as RouteWish;
}

/** Lower case, unicast, not all zero. Throws `address-invalid`. */
export function parseMacAddress(text: string): MacAddress {
  if (!/^[0-9a-f][02468ace](?::[0-9a-f]{2}){5}$/.test(text) || text === '00:00:00:00:00:00') {
    throw invalid(text, 'a MAC address is six lower-case bytes like 02:1a:2b:3c:4d:5e, the first one even');
  }
  return text as MacAddress;
}

export function parseCardWish(text: string): CardWish {
  if (text.startsWith('mac:')) parseMacAddress(text.slice('mac:'.length));
  else parseLinkName(text);
  return text as CardWish;
}

/** Nothing that ip(8) or a path could take for something else. */
export function parseLinkName(text: string): LinkName {
  if (!/^[A-Za-z][A-Za-z0-9_.-]{0,14}$/.test(text)) {
    throw new WarrenError(
      'name-invalid',
      `'${printable(text)}' is not the name of a link; it has 1 to 15 letters, digits, '.', '-' and '_', a letter first`,
    );
  }
  return text as LinkName;
}

/** `10`, or `@10` as pipework has it. Throws `name-invalid`. */
export function parseVlan(text: string): Vlan {
  const [, number = ''] = /^@?([1-9]\d{0,3})$/.exec(text) ?? [];
  const parsed = vlanSchema.safeParse(Number(number));
  if (parsed.success) return parsed.data;
  throw new WarrenError('name-invalid', `'${printable(text)}' is no VLAN; write a number from 1 to 4094`);
}

export const addressWishSchema = grammar(parseAddressWish, {
  description: 'Address with its length, maybe @gateway; 0/0 for none',
  example: '192.168.5.7/24@192.168.5.1',
  maxLength: 96,
});
export const routeWishSchema = grammar(parseRouteWish, {
  description: 'Prefix, maybe @gateway',
  example: '10.0.0.0/8@192.168.5.1',
  maxLength: 96,
});
export const macAddressSchema = grammar(parseMacAddress, {
  description: 'MAC address',
  example: '02:1a:2b:3c:4d:5e',
  maxLength: 17,
});
export const cardWishSchema = grammar(parseCardWish, {
  description: 'Network card by name, or mac:<address>',
  example: 'eth1',
  maxLength: 21,
});
export const linkNameSchema = grammar(parseLinkName, { description: 'Link name', example: 'br0', maxLength: 15 });

function readGateway(whole: string, text: string | undefined, family: 4 | 6): Address | undefined {
  if (text === undefined) return undefined;
  const gateway = parseAddress(text);
  if (addressValue(gateway).family !== family) throw invalid(whole, 'the gateway is of the other family');
  return gateway;
}

function invalid(text: string, remedy: string): WarrenError {
  return new WarrenError('address-invalid', `'${printable(text)}' cannot be used; ${remedy}`);
}
