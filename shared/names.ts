/**
 * The grammars of everything that people name. A host name is one DNS label, lower case, so that it can stand in a
 * hosts file, a zone, a log line and an argv without quoting; it never starts with '-'.
 */
import { z } from 'zod';
import { WarrenError } from './errors.ts';
import { grammar } from './grammar.ts';
import { printable } from './net/address.ts';

declare const brand: unique symbol;
export type HostName = string & { readonly [brand]: 'HostName' };
export type HostId = string & { readonly [brand]: 'HostId' };
export type InterfaceName = string & { readonly [brand]: 'InterfaceName' };
export type InstanceName = string & { readonly [brand]: 'InstanceName' };

/** Names that would be ambiguous on a command line or in a zone. */
const reservedHostNames: ReadonlySet<string> = new Set(['all', 'any', 'none', 'self', 'localhost', 'warren']);

export function parseHostName(text: string): HostName {
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text)) {
    throw new WarrenError(
      'name-invalid',
      `'${printable(text)}' is not a host name; use 1 to 63 of a-z, 0-9 and '-', not at the ends`,
    );
  }
  if (reservedHostNames.has(text)) {
    throw new WarrenError('name-invalid', `'${text}' is reserved; choose another host name`);
  }
  return text as HostName;
}

export function parseHostId(text: string): HostId {
  if (!/^h[a-z2-7]{16}$/.test(text)) {
    throw new WarrenError('name-invalid', `'${printable(text)}' is not a host id; it looks like habcdefghijklmn23`);
  }
  return text as HostId;
}

/** Linux: at most 15 bytes; the rest of the grammar keeps it safe in argv, rules and sysctl paths (no '.', no '/'). */
export function parseInterfaceName(text: string): InterfaceName {
  if (!/^[a-z][a-z0-9_-]{0,14}$/.test(text)) {
    throw new WarrenError(
      'name-invalid',
      `'${printable(text)}' is not an interface name; use 1 to 15 of a-z, 0-9, '-', '_', starting with a letter`,
    );
  }
  return text as InterfaceName;
}

/** Short enough that `wrb-<instance>` still is an interface name. */
export function parseInstanceName(text: string): InstanceName {
  if (!/^[a-z0-9][a-z0-9-]{0,10}$/.test(text)) {
    throw new WarrenError(
      'name-invalid',
      `'${printable(text)}' is not an instance name; use 1 to 11 of a-z, 0-9 and '-', starting with a letter or digit`,
    );
  }
  return text as InstanceName;
}

/** What people write on tokens, keys and hosts to find them again: printable ASCII without quotes or backslashes. */
export const labelSchema = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9 ._:/@+-]*[A-Za-z0-9._+-])?$/, {
    error: 'use 1 to 64 letters, digits, spaces and . _ : / @ + -, starting with a letter or digit',
  });

export const tagSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/, { error: "a tag is 1 to 32 of a-z, 0-9 and '-', not at the ends" });

export const tagsSchema = z
  .array(tagSchema)
  .max(32)
  .refine((tags) => new Set(tags).size === tags.length, {
    error: 'each tag may stand once',
  });

export const hostNameSchema = grammar(parseHostName, {
  description: 'Host name, one lower-case DNS label',
  example: 'web-1',
  maxLength: 63,
});
export const hostIdSchema = grammar(parseHostId, {
  description: 'Host id',
  example: 'habcdefghijklmn23',
  maxLength: 17,
});
export const interfaceNameSchema = grammar(parseInterfaceName, {
  description: 'Network interface name',
  example: 'warren0',
  maxLength: 15,
});
export const instanceNameSchema = grammar(parseInstanceName, {
  description: 'Agent instance name',
  example: 'default',
  maxLength: 11,
});
