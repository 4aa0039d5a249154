/**
 * Whether systemd-resolved still has what it was told: nothing announces that it was started again or that somebody took
 * the words back. Its private file about the link is compared with itself, never read.
 */
import type { System } from '../system/run.ts';

export interface ResolverWatch {
  /** True where it is another than at the last call. */
  isChanged(folder: string | undefined, index: number | undefined): Promise<boolean>;
}

export function watchResolver(system: Pick<System, 'readText'>): ResolverWatch {
  let last: string | undefined;
  return {
    isChanged: async (folder, index) => {
      if (folder === undefined || index === undefined) return false;
      const files = [`${folder}/netif/${index}`, `${folder}/resolv.conf`];
      const texts = await Promise.all(files.map((file) => system.readText(file)));
      const now = JSON.stringify(texts.map((text) => text ?? null));
      const isSame = last === undefined || last === now;
      last = now;
      return !isSame;
    },
  };
}
