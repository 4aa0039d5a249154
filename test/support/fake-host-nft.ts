/** The nftables of a fake host: tables as lines of text, with the few statements the agent (or a person) gives. */
import { Refusal } from './fake-host-refusal.ts';

export interface FakeTable {
  /** `chain` is undefined for sets and for the chains themselves. */
  rows: { chain: string | undefined; text: string; comment?: string }[];
  /** Of sets called `live_…`. */
  elements: Map<string, Set<string>>;
}

export class FakeNft {
  /** By name; those of family bridge by `bridge <name>`. */
  readonly tables = new Map<string, FakeTable>();
  #handles = 0;

  /** Runs a script as one transaction and answers what `nft monitor` would print last. */
  script(text: string): string {
    const before = new Map(
      [...this.tables].map(([name, { rows, elements }]) => [
        name,
        { rows: [...rows], elements: new Map([...elements].map(([set, has]) => [set, new Set(has)])) },
      ]),
    );
    try {
      return this.#run(text);
    } catch (error) {
      this.tables.clear();
      for (const [name, table] of before) this.tables.set(name, table);
      throw error;
    }
  }

  #run(text: string): string {
    if (text === 'flush ruleset') {
      const names = [...this.tables.keys()];
      this.tables.clear();
      return names.map((name) => `delete table inet ${name}`).join('\n');
    }
    let last = '';
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    for (let i = 0; i < lines.length; i += 1) {
      const line = lines[i] ?? '';
      last = line;
      const opened = /^table (?:inet )?((?:bridge |ip6? )?\S+) \{$/.exec(line);
      const deleted = /^delete table (?:inet )?((?:bridge |ip6? )?\S+)$/.exec(line);
      const added = /^add rule (?:inet )?((?:bridge |ip6? )?\S+) (\S+) (.+?)(?: comment "([^"]*)")?$/.exec(line);
      const element = /^(add|delete) element (?:inet )?((?:bridge |ip6? )?\S+) (\S+) \{ (.+) \}$/.exec(line);
      if (opened !== null) {
        const end = lines.indexOf('}', i);
        this.#open(opened[1] ?? '', lines.slice(i + 1, end));
        i = end;
      } else if (deleted !== null) this.#delete(deleted[1] ?? '');
      else if (element !== null)
        this.#changeElements(element[1] === 'add', element[2] ?? '', element[3] ?? '', element[4] ?? '');
      else if (added !== null) this.#addRule(added[1] ?? '', added[2] ?? '', added[3] ?? '', added[4]);
      else throw new Error(`the fake host does not know the nft statement '${line}'`);
    }
    return last;
  }

  #open(name: string, body: readonly string[]): void {
    const table: FakeTable = this.tables.get(name) ?? { rows: [], elements: new Map() };
    this.tables.set(name, table);
    let chain: string | undefined;
    for (const line of body.map((each) => each.trim())) {
      const opened = /^chain (\S+) \{/.exec(line);
      if (opened !== null) {
        chain = opened[1];
        table.rows.push({ chain: undefined, text: line });
      } else if (line === '}') chain = undefined;
      else table.rows.push({ chain, text: line });
    }
  }

  #delete(name: string): void {
    if (!this.tables.delete(name)) throw new Refusal('Error: No such file or directory');
  }

  #changeElements(isAdded: boolean, name: string, set: string, list: string): void {
    const table = this.tables.get(name);
    const elements = table?.elements.get(set) ?? new Set();
    for (const element of list.split(', ')) {
      if (table === undefined || (!isAdded && !elements.delete(element))) {
        throw new Refusal('Error: Could not process rule: No such file or directory');
      }
      if (isAdded) elements.add(element);
    }
    table?.elements.set(set, elements);
  }

  #addRule(name: string, chain: string, text: string, comment: string | undefined): void {
    const table = this.tables.get(name);
    if (table?.rows.some((row) => row.text.startsWith(`chain ${chain} {`)) !== true) {
      throw new Refusal('Error: No such file or directory');
    }
    table.rows.push({ chain, text, ...(comment === undefined ? {} : { comment }) });
  }

  listJson(name: string): string | undefined {
    const table = this.tables.get(name);
    if (table === undefined) return undefined;
    this.#handles += 1;
    const handle = this.#handles;
    const sets = [...table.elements].map(([set, elements]) => ({
      set: { family: 'inet', name: set, table: name, type: 'text', handle, elem: [...elements] },
    }));
    const items = table.rows.map(({ chain, text, comment }) =>
      chain === undefined
        ? { chain: { family: 'inet', table: name, handle, text } }
        : {
            rule: {
              family: 'inet',
              table: name,
              chain,
              handle,
              expr: text,
              ...(comment === undefined ? {} : { comment }),
            },
          },
    );
    const head = [{ metainfo: { version: 'fake' } }, { table: { family: 'inet', name, handle } }];
    return JSON.stringify({ nftables: [...head, ...sets, ...items] });
  }
}
