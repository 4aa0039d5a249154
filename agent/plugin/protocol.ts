/**
 * What the container engine asks its drivers, as moby sends it (moby `daemon/libnetwork/drivers/remote/api` and
 * `ipams/remote/api`). Fields that Warren has no use for are left out of the schemas and so dropped; Go writes null for
 * an empty list or map. Pure.
 */
import { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';
import { type Address, parseAddress } from '../../shared/net/address.ts';

/** The engine's ids: 64 hexadecimal digits, or swarm's 25 letters and digits. */
const idSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/, { error: 'not an id' });
const text = z.string().max(256).nullish();
const optionsSchema = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((options) => options ?? {});
const ipamDataSchema = z
  .array(z.object({ Pool: text, Gateway: text }))
  .nullish()
  .transform((data) => data ?? []);
const networkSchema = z.object({ NetworkID: idSchema });
const endpointSchema = networkSchema.extend({ EndpointID: idSchema });

export const poolRequestSchema = z.object({ Pool: text, SubPool: text, V6: z.boolean().default(false) });
export type PoolRequest = z.infer<typeof poolRequestSchema>;
export const addressRequestSchema = z.object({ PoolID: z.string().max(256), Address: text, Options: optionsSchema });
export type AddressRequest = z.infer<typeof addressRequestSchema>;
export const addressReleaseSchema = z.object({ PoolID: z.string().max(256), Address: text });
export const networkRequestSchema = networkSchema.extend({
  Options: optionsSchema,
  IPv4Data: ipamDataSchema,
  IPv6Data: ipamDataSchema,
});
export type NetworkRequest = z.infer<typeof networkRequestSchema>;
export const networkDeleteSchema = networkSchema;
export const endpointRequestSchema = endpointSchema.extend({
  Interface: z.object({ Address: text, AddressIPv6: text, MacAddress: text }).nullish(),
});
export type EndpointRequest = z.infer<typeof endpointRequestSchema>;
export const joinRequestSchema = endpointSchema.extend({ SandboxKey: text });
export const endpointIdsSchema = endpointSchema;
export const externalRequestSchema = endpointSchema.extend({ Options: optionsSchema });

/** Media type of every reply. */
export const pluginMediaType = 'application/vnd.docker.plugins.v1.2+json';

/** Drivers do not agree on where an error stands: IPAM says `Error`, the network driver `Err`. */
export function errorBody(method: string, message: string): Record<string, string> {
  return method.startsWith('IpamDriver.') ? { Error: message } : { Err: message };
}

/** Throws `request-invalid` naming the field. */
export function parseRequest<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join('/') ?? '';
  throw new WarrenError('request-invalid', `'${field}': ${issue?.message ?? 'not valid'}`, { field });
}

/** The engine writes some addresses with their prefix length and some without. */
export const bareAddress = (given: string): Address => parseAddress(given.replace(/\/\d{1,3}$/, ''));

export const isGiven = (given: string | null | undefined): given is string =>
  given !== undefined && given !== null && given !== '';
