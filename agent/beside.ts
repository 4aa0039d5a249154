/**
 * What runs beside the agent and is asked by D-Bus, a process for each question. So what was answered counts until
 * something tells of a change (files of resolved's, the kernel's events for firewalld), until steps of ours are taken
 * there, or until it is old.
 */
import { zoneName } from './plan/firewalld.ts';
import type { ObservedFirewalld, ObservedLink, ObservedResolver } from './plan/observed.ts';
import type { HostSettings } from './plan/settings.ts';
import { showFirewalld } from './system/firewalld.ts';
import { showResolver } from './system/resolved.ts';
import type { System } from './system/run.ts';

type Links = ReadonlyMap<string, ObservedLink>;

export interface Beside {
  resolver(settings: HostSettings, links: Links, now: number): Promise<ObservedResolver | undefined>;
  firewalld(settings: HostSettings, now: number): Promise<ObservedFirewalld | undefined>;
  /** True where resolved has written other files than those it was asked beside, or somebody is to be asked again soon. */
  isChanged(): Promise<boolean>;
  forgetResolver(): void;
  forgetFirewalld(): void;
}

/** The second look, in case a change was not told; and the one at who did not answer or does not run. */
const oldMs = 300_000;
const unansweredMs = 25_000;

export function createBeside(system: System): Beside {
  const resolver = rememberAnswer<ObservedResolver>();
  const firewalld = rememberAnswer<ObservedFirewalld>();
  let place: { readonly folder: string; readonly index: number } | undefined;
  const files = async (): Promise<string> => {
    const names = place === undefined ? [] : [`${place.folder}/netif/${place.index}`, `${place.folder}/resolv.conf`];
    const texts = await Promise.all(names.map((name) => system.readText(name)));
    return JSON.stringify([place, ...texts.map((text) => text ?? null)]);
  };
  return {
    resolver: async ({ interfaceName, resolvedFolder: folder }, links, now) => {
      const index = links.get(interfaceName)?.index;
      place = folder === undefined || index === undefined ? undefined : { folder, index };
      if (folder === undefined || index === undefined) return undefined;
      return resolver.ask(await files(), now, () => showResolver(system, folder, index));
    },
    firewalld: async ({ tableName, firewalldFolder: folder }, now) => {
      if (folder === undefined) return undefined;
      return firewalld.ask('', now, () => showFirewalld(system, folder, zoneName(tableName)));
    },
    isChanged: async () => {
      if (resolver.isSilent() || firewalld.isSilent()) return true;
      const key = resolver.key();
      return key !== undefined && key !== (await files());
    },
    forgetResolver: () => resolver.forget(),
    forgetFirewalld: () => firewalld.forget(),
  };
}

interface Memory<T> {
  /** What was answered beside another `key` does not count. */
  ask(key: string, now: number, question: () => Promise<T | 'silent' | undefined>): Promise<T | undefined>;
  /** It was there, and had no answer yet. */
  isSilent(): boolean;
  key(): string | undefined;
  forget(): void;
}

function rememberAnswer<T>(): Memory<T> {
  let last: { readonly key: string; readonly value: T | undefined; readonly at: number } | undefined;
  let forgotten = 0;
  let isSilent = false;
  return {
    isSilent: () => isSilent,
    key: () => last?.key,
    forget: () => {
      last = undefined;
      forgotten += 1;
    },
    ask: async (key, now, question) => {
      const age = Math.abs(now - (last?.at ?? 0));
      if (last?.key === key && age < (last.value === undefined ? unansweredMs : oldMs)) return last.value;
      const before = forgotten;
      const answer = await question();
      isSilent = answer === 'silent';
      const value = answer === 'silent' ? undefined : answer;
      // Something was told meanwhile: the answer may be of before.
      last = isSilent || before !== forgotten ? undefined : { key, value, at: now };
      return value;
    },
  };
}
