/**
 * What a host keeps over restarts: its keys, certificate, enrollment, last map. One directory (0700), one file per thing,
 * each replaced whole, so a crash at any point leaves something the next start can go on from. Keys never leave it.
 */
import { rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { WarrenError } from '../shared/errors.ts';
import { hostIdSchema, hostNameSchema } from '../shared/names.ts';
import { endpointSchema } from '../shared/net/endpoint.ts';
import { type NetworkMap, advertisedRouteSchema } from '../shared/network-map.ts';
import { parseMap } from '../shared/protocol.ts';
import { listenPortSchema } from '../shared/api/report.ts';
import { pinSchema, serverUrlSchema } from '../shared/token.ts';
import { makePrivateDirectory, readIfThere, removeDurably, renameDurably, writeDurably } from './durable.ts';
import { readCertificate, checkIdentityKey, makeIdentityKey } from './identity.ts';
import { type WireguardKeys, makeWireguardKeys, readWireguardKeys } from './keys.ts';

const hostFileSchema = z.strictObject({
  format: z.literal(1),
  serverUrl: serverUrlSchema,
  caPin: pinSchema,
  name: hostNameSchema,
  listenPort: listenPortSchema,
  declaredEndpoints: z.array(endpointSchema).max(8),
  advertise: z.array(advertisedRouteSchema).max(64),
  /** Null until the server has answered, and again after the host left. */
  hostId: hostIdSchema.nullable(),
});
/** What `warren join` settled. */
export type HostFile = z.infer<typeof hostFileSchema>;

export interface Credentials {
  readonly key: string;
  readonly certificate: string;
  readonly ca: string;
}

export interface State {
  readonly directory: string;
  /** Path of the private key that `wg` reads. */
  readonly wireguardKeyFile: string;
  readHost(): Promise<HostFile | undefined>;
  writeHost(host: HostFile): Promise<void>;
  /** Throws `not-enrolled` while one of the three is missing, `state-corrupt` where the certificate is none. */
  readCredentials(): Promise<Credentials>;
  writeCa(pem: string): Promise<void>;
  writeCertificate(pem: string): Promise<void>;
  /** The identity key's PEM, made now if there is none. */
  identityKey(): Promise<string>;
  /** The WireGuard keys, made now if there are none. */
  wireguardKeys(): Promise<WireguardKeys>;
  /** Keys on their way in during a rotation. */
  nextWireguardKeys(): Promise<WireguardKeys | undefined>;
  makeNextWireguardKeys(): Promise<WireguardKeys>;
  /** The next keys become the keys. */
  promoteWireguardKeys(): Promise<void>;
  /** Throws `state-corrupt` when the saved map cannot be read; asking for a full one mends that. */
  readMap(): Promise<NetworkMap | undefined>;
  writeMap(map: NetworkMap): Promise<void>;
  /** The server says that this host has no part in the mesh any more. */
  removeMap(): Promise<void>;
  readAttachments(): Promise<string | undefined>;
  writeAttachments(json: string): Promise<void>;
  /** Who is in which bridged segment. */
  readMembers(): Promise<string | undefined>;
  writeMembers(json: string): Promise<void>;
  /** Names added by hand. */
  readNames(): Promise<string | undefined>;
  writeNames(json: string): Promise<void>;
  /** Names of engine networks that joined the mesh by command. */
  readDocker(): Promise<string | undefined>;
  writeDocker(json: string): Promise<void>;
  /** Networks, endpoints and addresses that the container engine got from its drivers here. */
  readPlugin(): Promise<string | undefined>;
  writePlugin(json: string): Promise<void>;
  /** Interfaces that container runtimes asked for by CNI. */
  readCni(): Promise<string | undefined>;
  writeCni(json: string): Promise<void>;
  /** The root of the lock that this host pinned; undefined takes it away. */
  readLockRoot(): Promise<string | undefined>;
  writeLockRoot(root: string | undefined): Promise<void>;
  /** The log of the lock as far as it was checked here. */
  readLockLog(): Promise<string | undefined>;
  writeLockLog(json: string | undefined): Promise<void>;
  /** Kernel switches as they were before Warren first set them, path -> value; `leave` puts them back. */
  readSysctls(): Promise<Readonly<Record<string, string>>>;
  /** Adds those not known yet. */
  keepSysctls(before: Readonly<Record<string, string>>): Promise<void>;
  /** After `leave`: everything but the keys, so that joining again gives the same host. */
  forget(): Promise<void>;
  /** Everything. */
  purge(): Promise<void>;
}

const files = {
  host: 'host.json',
  ca: 'ca.crt',
  certificate: 'identity.crt',
  identityKey: 'identity.key',
  wireguardKey: 'wireguard.key',
  nextWireguardKey: 'wireguard.next.key',
  map: 'map.json',
  attachments: 'attachments.json',
  members: 'members.json',
  names: 'names.json',
  docker: 'docker.json',
  plugin: 'plugin.json',
  cni: 'cni.json',
  sysctls: 'sysctls.json',
  presharedKeys: 'psk.json',
  lockRoot: 'lock.root',
  lockLog: 'lock.json',
} as const;

export async function openState(directory: string): Promise<State> {
  await makePrivateDirectory(directory);
  const path = (name: keyof typeof files): string => join(directory, files[name]);
  const read = (name: keyof typeof files): Promise<string | undefined> => readIfThere(path(name));
  const write = (name: keyof typeof files, text: string, mode = 0o600): Promise<void> =>
    writeDurably(path(name), text, mode);

  const removePresharedKeys = (): Promise<void> => rm(join(directory, 'psk'), { recursive: true, force: true });

  return {
    directory,
    wireguardKeyFile: path('wireguardKey'),
    readHost: async () => parseHostFile(await read('host'), path('host')),
    writeHost: (host) => write('host', `${JSON.stringify(host, undefined, 2)}\n`),
    readCredentials: async () => {
      const [key, certificate, ca] = await Promise.all([read('identityKey'), read('certificate'), read('ca')]);
      if (key === undefined || certificate === undefined || ca === undefined) throw notEnrolled(directory);
      readCertificate(certificate, path('certificate'));
      return { key, certificate, ca };
    },
    writeCa: (pem) => write('ca', pem, 0o644),
    writeCertificate: (pem) => write('certificate', pem, 0o644),
    identityKey: async () => {
      const saved = await read('identityKey');
      if (saved !== undefined) {
        checkIdentityKey(saved, path('identityKey'));
        return saved;
      }
      const made = makeIdentityKey();
      await write('identityKey', made);
      return made;
    },
    wireguardKeys: async () => {
      const saved = await read('wireguardKey');
      return saved === undefined ? makeKeys(path('wireguardKey')) : readWireguardKeys(saved, path('wireguardKey'));
    },
    nextWireguardKeys: async () => {
      const saved = await read('nextWireguardKey');
      return saved === undefined ? undefined : readWireguardKeys(saved, path('nextWireguardKey'));
    },
    makeNextWireguardKeys: () => makeKeys(path('nextWireguardKey')),
    promoteWireguardKeys: () => renameDurably(path('nextWireguardKey'), path('wireguardKey')),
    readMap: async () => parseSavedMap(await read('map'), path('map')),
    writeMap: (map) => write('map', JSON.stringify(map)),
    removeMap: () => removeDurably(path('map')),
    readAttachments: () => read('attachments'),
    writeAttachments: (json) => write('attachments', json),
    readMembers: () => read('members'),
    writeMembers: (json) => write('members', json),
    readNames: () => read('names'),
    writeNames: (json) => write('names', json),
    readDocker: () => read('docker'),
    writeDocker: (json) => write('docker', json),
    readPlugin: () => read('plugin'),
    writePlugin: (json) => write('plugin', json),
    readCni: () => read('cni'),
    writeCni: (json) => write('cni', json),
    readLockRoot: () => read('lockRoot'),
    writeLockRoot: (root) => (root === undefined ? removeDurably(path('lockRoot')) : write('lockRoot', `${root}\n`)),
    readLockLog: () => read('lockLog'),
    writeLockLog: (json) => (json === undefined ? removeDurably(path('lockLog')) : write('lockLog', json)),
    readSysctls: async () => parseSysctls(await read('sysctls')),
    keepSysctls: async (before) => {
      const known = parseSysctls(await read('sysctls'));
      const all = { ...before, ...known };
      if (Object.keys(all).length > Object.keys(known).length) await write('sysctls', `${JSON.stringify(all)}\n`);
    },
    forget: async () => {
      for (const name of [
        'map',
        'attachments',
        'members',
        'names',
        'docker',
        'plugin',
        'cni',
        'certificate',
        'nextWireguardKey',
        'sysctls',
        'presharedKeys',
        'lockLog',
        'lockRoot',
        'host',
      ] as const) {
        await removeDurably(path(name));
      }
      await removePresharedKeys();
    },
    purge: async () => {
      await Promise.all(Object.values(files).map((name) => rm(join(directory, name), { force: true })));
      await removePresharedKeys();
      await removeEmptyDirectory(directory);
    },
  };
}

export function notEnrolled(directory: string): WarrenError {
  return new WarrenError(
    'not-enrolled',
    `this machine is not enrolled (${directory} holds no finished enrollment); run 'warren join TOKEN' first`,
  );
}

async function makeKeys(path: string): Promise<WireguardKeys> {
  const keys = makeWireguardKeys();
  await writeDurably(path, `${keys.privateKey.reveal()}\n`, 0o600);
  return keys;
}

function parseHostFile(text: string | undefined, path: string): HostFile | undefined {
  if (text === undefined) return undefined;
  const parsed = hostFileSchema.safeParse(readJson(text));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new WarrenError(
    'state-corrupt',
    `${path} is damaged at '${issue?.path.join('/') ?? ''}' (${issue?.message ?? 'not JSON'}); run 'warren join TOKEN' again, the host stays the same`,
  );
}

function parseSavedMap(text: string | undefined, path: string): NetworkMap | undefined {
  if (text === undefined) return undefined;
  try {
    return parseMap(text);
  } catch (cause) {
    throw new WarrenError('state-corrupt', `${path} is damaged; a full map is asked for instead`, { cause });
  }
}

const sysctlsSchema = z.record(z.string().regex(/^net\/[\w./-]+$/), z.string().regex(/^\d{1,9}$/));

/** A damaged record is none: the switches stay as they are then. */
function parseSysctls(text: string | undefined): Readonly<Record<string, string>> {
  return sysctlsSchema.safeParse(readJson(text ?? '')).data ?? {};
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The directory may be a mount or hold files that are not ours; then it stays. */
async function removeEmptyDirectory(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'ENOTEMPTY' && code !== 'EBUSY' && code !== 'ENOENT' && code !== 'EEXIST') throw error;
  }
}
