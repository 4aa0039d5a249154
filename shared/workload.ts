/**
 * Workloads: what runs on a host and can be named and reached, a container most of the time. A host tells the server of
 * its own and every host learns of all of them in the network map; addresses that are not the host's are refused on both
 * sides. Names are DNS labels, so that they stand in a zone, a rule's set name and an argv without quoting.
 */
import { z } from 'zod';
import { WarrenError } from './errors.ts';
import { grammar } from './grammar.ts';
import { hostIdSchema } from './names.ts';
import { addressSchema, printable } from './net/address.ts';

declare const brand: unique symbol;
export type Label = string & { readonly [brand]: 'Label' };
export type SegmentName = string & { readonly [brand]: 'SegmentName' };
export type DomainName = string & { readonly [brand]: 'DomainName' };

/** One DNS label, lower case (RFC 1035 section 2.3.1, digits first allowed by RFC 1123); `_` as Docker's names have it. */
export function parseLabel(text: string): Label {
  if (!/^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(text)) {
    throw new WarrenError(
      'name-invalid',
      `'${printable(text)}' is not a name; use 1 to 63 of a-z, 0-9, '_' and '-', no '-' at the ends`,
    );
  }
  return text as Label;
}

/**
 * Names that programs look up by themselves and believe: of whoever answers them browsers take their proxy and Windows
 * its router, and `localhost` is the asker (RFC 6761). The mesh answers none of them.
 */
const reservedNames: ReadonlySet<string> = new Set(['localhost', 'wpad', 'isatap']);
export const isReservedName = (name: string): boolean => reservedNames.has(name);

/** Short, so that links and rule sets can be called after it. */
export function parseSegmentName(text: string): SegmentName {
  if (!/^[a-z0-9](?:[a-z0-9-]{0,29}[a-z0-9])?$/.test(text)) {
    throw new WarrenError(
      'name-invalid',
      `'${printable(text)}' is not a segment name; use 1 to 31 of a-z, 0-9 and '-', not at the ends`,
    );
  }
  return text as SegmentName;
}

/** Two labels or more, lower case, no dot at the end. */
export function parseDomainName(text: string): DomainName {
  if (
    text.length > 128 ||
    !/^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text)
  ) {
    throw new WarrenError(
      'name-invalid',
      `'${printable(text)}' is not a domain; write it like warren.internal, lower case, without a dot at the end`,
    );
  }
  return text as DomainName;
}

export const labelNameSchema = grammar(parseLabel, {
  description: 'One DNS label, lower case',
  example: 'db',
  maxLength: 63,
});
export const segmentNameSchema = grammar(parseSegmentName, {
  description: 'Name of a segment',
  example: 'blue',
  maxLength: 31,
});
export const domainNameSchema = grammar(parseDomainName, {
  description: 'DNS domain of the mesh',
  example: 'warren.internal',
  maxLength: 128,
});

export const transportSchema = z.enum(['tcp', 'udp']);
export type Transport = z.infer<typeof transportSchema>;
export const portNumberSchema = z.int().min(1).max(65535);
export const exposedPortSchema = z.strictObject({ port: portNumberSchema, protocol: transportSchema });
export type ExposedPort = z.infer<typeof exposedPortSchema>;

/** One `NAME=value` that a workload lets the whole mesh read; never more than its owner named. */
export const sharedVariableSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, { error: 'not a variable name' }),
  value: z
    .string()
    .max(1024)
    .regex(/^[^\0\r\n]*$/, { error: 'one line of text' }),
});
export type SharedVariable = z.infer<typeof sharedVariableSchema>;

export const workloadSchema = z.strictObject({
  /** Unique on its host; `<name>.<host>.<domain>` answers its addresses. */
  name: labelNameSchema,
  /** What it is an instance of, aliases among them; `<service>.<domain>` answers all healthy instances of all hosts. */
  services: z.array(labelNameSchema).max(16),
  /** Within its host's leases, advertised subnets or overlay addresses, IPv4 first; none where it is only bridged. */
  addresses: z.array(addressSchema).max(4),
  /** What it listens on, as far as its image or its owner says. */
  ports: z.array(exposedPortSchema).max(64),
  /** Null: the open segment. */
  segment: segmentNameSchema.nullable(),
  /** False while it fails its health check; then no service name answers it. */
  isHealthy: z.boolean(),
  variables: z.array(sharedVariableSchema).max(32),
});
export type Workload = z.infer<typeof workloadSchema>;

/** Of one host. */
export const workloadsSchema = z.array(workloadSchema).max(1024);

/** A port of hosts that leads to the healthy instances of a service, wherever they run. */
export const publicationSchema = z.strictObject({
  id: z.string().regex(/^p[a-z2-7]{16}$/, { error: 'a publication id looks like pabcdefghijklmn23' }),
  service: labelNameSchema,
  targetPort: portNumberSchema,
  protocol: transportSchema,
  /** On the host's underlay addresses. */
  port: portNumberSchema,
  /** Null: on every host. */
  hostId: hostIdSchema.nullable(),
});
export type Publication = z.infer<typeof publicationSchema>;

/** A segment that has properties of its own; others exist by being named. */
export const segmentSchema = z.strictObject({
  name: segmentNameSchema,
  /** `routed`: IP only. `bridged`: one Ethernet over all hosts that have members, broadcast and multicast included. */
  kind: z.enum(['routed', 'bridged']),
  /** VXLAN network identifier of a bridged segment, null for a routed one. */
  vni: z.int().min(1).max(16_777_215).nullable(),
});
export type Segment = z.infer<typeof segmentSchema>;
