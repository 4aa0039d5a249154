import type { KeyringStore } from '../../../server/pki/keyring.ts';

/** A keyring store in memory. */
export function createMemoryKeys(): KeyringStore & { readonly secrets: Map<string, string> } {
  const secrets = new Map<string, string>();
  return {
    secrets,
    load: (name) => Promise.resolve(secrets.get(name)),
    save: (added) => {
      for (const [name, value] of added) secrets.set(name, value);
      return Promise.resolve();
    },
  };
}
