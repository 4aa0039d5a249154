/**
 * Underlay endpoints, `ip:port` or `[ip6]:port`. Literals only: a name here would make `wg` block in DNS retries, and
 * would let whoever answers the query choose where a host's packets go.
 */
import { WarrenError } from '../errors.ts';
import { grammar } from '../grammar.ts';
import { type Address, addressValue, parseAddress, printable } from './address.ts';

declare const brand: unique symbol;
export type Endpoint = string & { readonly [brand]: 'Endpoint' };

/** Throws `endpoint-invalid` unless `text` is a canonical, unicast `ip:port`. */
export function parseEndpoint(text: string): Endpoint {
  splitEndpoint(text);
  return text as Endpoint;
}

export function splitEndpoint(text: string): { address: Address; port: number } {
  const match = /^(?:\[([0-9a-f:]+)\]|(\d[\d.]+)):([1-9]\d{0,4})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port > 65535) throw invalid(text, 'write it like 192.0.2.7:51820 or [2001:db8::7]:51820');
  try {
    const address = parseAddress(host);
    if (!isUnicast(address)) throw new Error('its address must be a unicast address of a host');
    return { address, port };
  } catch (error) {
    throw invalid(text, error instanceof Error ? error.message : 'its address is not canonical');
  }
}

export function makeEndpoint(address: Address, port: number): Endpoint {
  return parseEndpoint(address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`);
}

export const endpointSchema = grammar(parseEndpoint, {
  description: 'Underlay endpoint, a literal ip:port',
  example: '192.0.2.7:51820',
  maxLength: 53,
});

/** Not unspecified, not multicast, not broadcast, not link-local IPv6 (it would need a zone). */
function isUnicast(address: Address): boolean {
  const { family, value } = addressValue(address);
  if (family === 4) return value >> 24n !== 0n && value >> 28n < 14n;
  return value !== 0n && value >> 120n !== 0xffn && value >> 118n !== 0x3fan;
}

function invalid(text: string, remedy: string): WarrenError {
  return new WarrenError('endpoint-invalid', `'${printable(text)}' is not an endpoint; ${remedy}`);
}
