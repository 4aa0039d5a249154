/** Which backend carries the tunnel; asked again only when the interface is another one. */
import type { Reached } from '../reconcile.ts';
import type { HostSettings } from '../plan/settings.ts';
import type { Observed } from '../plan/observed.ts';
import { type Backend, describeBackend } from '../system/backend.ts';
import type { System } from '../system/run.ts';

export interface BackendView {
  seen(): Backend;
  look(reached: Reached, settings: HostSettings, onChange: () => void): void;
}

export const slowNote =
  'this wireguard-go is from before 2023 and 4 to 5 times slower than later ones; install that of bookworm-backports, then delete the interface once';

export function createBackendView(system: System): BackendView {
  let seen: Backend = { kind: 'none', version: '', isSlow: false };
  let asked = '';
  const ask = async (settings: HostSettings, observed: Observed, onChange: () => void): Promise<void> => {
    try {
      seen = await describeBackend(system, settings, observed);
      onChange();
    } catch {
      // Only its version is unknown; the next pass asks again.
      asked = '';
    }
  };
  return {
    seen: () => seen,
    look: ({ observed }, settings, onChange) => {
      const link = observed?.links.get(settings.interfaceName);
      const key = `${link?.kind}/${link?.index}/${observed?.wireguard === undefined}`;
      if (observed === undefined || key === asked) return;
      asked = key;
      void ask(settings, observed, onChange);
    },
  };
}
