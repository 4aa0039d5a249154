/** Versions of the CNI specification that the plugin speaks. Pure. */

export const supportedVersions = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;
export type CniVersion = (typeof supportedVersions)[number];

/** Configurations before 0.2 named none. */
export const oldestVersion: CniVersion = '0.1.0';
export const newestVersion: CniVersion = '1.1.0';

export const isSupported = (text: string): text is CniVersion => supportedVersions.some((one) => one === text);

export const isAtLeast = (version: CniVersion, other: CniVersion): boolean =>
  supportedVersions.indexOf(version) >= supportedVersions.indexOf(other);

/** The first version that knows the command. */
export const commandSince = {
  ADD: '0.1.0',
  DEL: '0.1.0',
  VERSION: '0.1.0',
  CHECK: '0.4.0',
  GC: '1.1.0',
  STATUS: '1.1.0',
} as const satisfies Record<string, CniVersion>;
export type CniCommand = keyof typeof commandSince;
