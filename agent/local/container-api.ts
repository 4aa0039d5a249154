/** What commands ask of the container engine's networks and of names; part of the calls in `api.ts`. */
import { z } from 'zod';
import { addressSchema } from '../../shared/net/address.ts';
import { cidrSchema } from '../../shared/net/cidr.ts';

export const dockerRequestSchema = z.strictObject({ network: z.string().min(1).max(128) });
export const dockerReplySchema = z.strictObject({
  /** The engine's version; null while none answers. */
  engine: z.string().nullable(),
  /** Warren's network there. */
  network: z.string().nullable(),
  /** On the mesh. */
  containers: z.int(),
  networks: z.array(
    z.strictObject({
      name: z.string(),
      driver: z.string(),
      bridge: z.string(),
      subnets: z.array(cidrSchema),
      /** `own`: Warren's. `pending`: waits for an operator. `apart`: not on the mesh. */
      state: z.enum(['own', 'joined', 'pending', 'apart']),
    }),
  ),
});
export type DockerReply = z.infer<typeof dockerReplySchema>;

export const namesReplySchema = z.strictObject({
  /** Null before the first map. */
  domain: z.string().nullable(),
  /** Servers from which containers' questions are led to the agent. */
  resolvers: z.array(addressSchema),
  items: z.array(
    z.strictObject({
      name: z.string(),
      kind: z.enum(['host', 'workload', 'service']),
      addresses: z.array(addressSchema),
    }),
  ),
});
export type NamesReply = z.infer<typeof namesReplySchema>;
export const nameSchema = z.string().min(1).max(253);
export const queryReplySchema = z.strictObject({
  name: z.string(),
  type: z.string(),
  rcode: z.string(),
  answers: z.array(z.string()),
});
export type QueryReply = z.infer<typeof queryReplySchema>;
