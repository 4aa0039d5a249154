/** What netcheck answers: one judgement per matter, each with one sentence of what to do. */
import { z } from 'zod';
import { hostNameSchema } from '../../shared/names.ts';
import { addressSchema } from '../../shared/net/address.ts';
import { endpointSchema } from '../../shared/net/endpoint.ts';
import { natSchema } from '../../shared/network-map.ts';
import { pathViewSchema } from '../paths/view.ts';

export const checkSchema = z.strictObject({
  check: z.enum(['server', 'clock', 'udp', 'nat', 'ipv4', 'ipv6', 'mtu', 'relay', 'peers']),
  /** Which one, where there are several: a relay's name. */
  subject: z.string().nullable(),
  status: z.enum(['ok', 'warn', 'fail']),
  /** What was found. */
  says: z.string(),
  /** What to do about it; null where nothing is. */
  todo: z.string().nullable(),
});
export type Check = z.infer<typeof checkSchema>;

export const netcheckSchema = z.strictObject({
  /** Nothing failed. */
  isOk: z.boolean(),
  checks: z.array(checkSchema),
  /** Null where the server did not answer. */
  server: z
    .strictObject({
      address: addressSchema.nullable(),
      connectMs: z.number(),
      tlsMs: z.number(),
      answerMs: z.number(),
      /** The server's clock less this host's, ms, and how far off that may be; null where it tells no time. */
      clock: z.strictObject({ offsetMs: z.number(), errorMs: z.number() }).nullable(),
    })
    .nullable(),
  nat: natSchema,
  /** This host's own, and what others see it as. */
  endpoints: z.array(endpointSchema),
  mappedEndpoints: z.array(endpointSchema),
  sights: z.array(z.strictObject({ observer: endpointSchema, mapped: endpointSchema })),
  /** The server's; null where it has none or it is not known. */
  reflector: z.strictObject({ endpoint: endpointSchema, isAnswering: z.boolean() }).nullable(),
  /** Of the way to the server, bytes; null where it cannot be told. */
  pathMtu: z.int().nullable(),
  tunnelMtu: z.int().nullable(),
  relays: z.array(z.strictObject({ name: hostNameSchema, ...pathViewSchema.shape })),
});
export type Netcheck = z.infer<typeof netcheckSchema>;

type Found = Pick<Check, 'says'> & { readonly todo?: string; readonly subject?: string };

const make =
  (status: Check['status']) =>
  (check: Check['check'], { says, todo = '', subject = '' }: Found): Check => ({
    check,
    subject: subject === '' ? null : subject,
    status,
    says,
    todo: todo === '' ? null : todo,
  });

export const ok = make('ok');
export const warn = make('warn');
export const fail = make('fail');
