/**
 * An agent's state directory in memory: survives a kill of the agent as a disk would, and can be put back to an earlier
 * map, as a restored disk image would.
 */
import type { HostFile, State } from '../../agent/state.ts';
import { type WireguardKeys, makeWireguardKeys } from '../../agent/keys.ts';
import { makeIdentityKey } from '../../agent/identity.ts';
import type { NetworkMap } from '../../shared/network-map.ts';

export interface MemoryState extends State {
  /** Forgets the newest `count` saved maps. */
  goBack(count: number): void;
  publicKeyOfFile(file: string): string;
}

export function createMemoryState(name: string): MemoryState {
  let host: HostFile | undefined;
  let certificate = '';
  let ca = '';
  let identity: string | undefined;
  let keys: WireguardKeys | undefined;
  let nextKeys: WireguardKeys | undefined;
  let maps: string[] = [];
  let attachments: string | undefined;
  let members: string | undefined;
  let names: string | undefined;
  let docker: string | undefined;
  let plugin: string | undefined;
  let cni: string | undefined;
  let lockRoot: string | undefined;
  let lockLog: string | undefined;
  let sysctls: Readonly<Record<string, string>> = {};
  const identityKey = (): string => (identity ??= makeIdentityKey());
  const done = Promise.resolve();
  const keyFile = `memory:${name}`;
  return {
    directory: `/nowhere/${name}`,
    wireguardKeyFile: keyFile,
    readHost: () => Promise.resolve(host),
    writeHost: (value) => ((host = value), done),
    readCredentials: () => Promise.resolve({ key: identityKey(), certificate, ca }),
    writeCa: (pem) => ((ca = pem), done),
    writeCertificate: (pem) => ((certificate = pem), done),
    identityKey: () => Promise.resolve(identityKey()),
    wireguardKeys: () => Promise.resolve((keys ??= makeWireguardKeys())),
    nextWireguardKeys: () => Promise.resolve(nextKeys),
    makeNextWireguardKeys: () => Promise.resolve((nextKeys = makeWireguardKeys())),
    promoteWireguardKeys: () => {
      keys = nextKeys ?? keys;
      nextKeys = undefined;
      return done;
    },
    readMap: () => Promise.resolve(maps.length === 0 ? undefined : (JSON.parse(maps.at(-1) ?? '') as NetworkMap)),
    writeMap: (map) => {
      maps = [...maps.slice(-8), JSON.stringify(map)];
      return done;
    },
    removeMap: () => ((maps = []), done),
    readAttachments: () => Promise.resolve(attachments),
    writeAttachments: (json) => ((attachments = json), done),
    readMembers: () => Promise.resolve(members),
    writeMembers: (json) => ((members = json), done),
    readNames: () => Promise.resolve(names),
    writeNames: (json) => ((names = json), done),
    readDocker: () => Promise.resolve(docker),
    writeDocker: (json) => ((docker = json), done),
    readPlugin: () => Promise.resolve(plugin),
    writePlugin: (json) => ((plugin = json), done),
    readCni: () => Promise.resolve(cni),
    writeCni: (json) => ((cni = json), done),
    readLockRoot: () => Promise.resolve(lockRoot),
    writeLockRoot: (root) => ((lockRoot = root), done),
    readLockLog: () => Promise.resolve(lockLog),
    writeLockLog: (json) => ((lockLog = json), done),
    readSysctls: () => Promise.resolve(sysctls),
    keepSysctls: (before) => ((sysctls = { ...before, ...sysctls }), done),
    forget: () => {
      host = undefined;
      maps = [];
      attachments = undefined;
      members = undefined;
      plugin = undefined;
      cni = undefined;
      nextKeys = undefined;
      return done;
    },
    purge: () => ((host = undefined), (maps = []), (keys = undefined), (identity = undefined), done),
    goBack: (count) => {
      maps = maps.slice(0, Math.max(0, maps.length - count));
    },
    publicKeyOfFile: (file) => {
      if (file !== keyFile) throw new Error(`${name} has no key file '${file}'`);
      return (keys ??= makeWireguardKeys()).publicKey;
    },
  };
}
