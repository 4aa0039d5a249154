/** The nftables of a fake host: tables as lines of text, with the few statements the agent (or a person) gives. */
import { Refusal } from './fake-host-refusal.ts';

export interface FakeTable {
  /** Name -> head, and rules in order. */
  chains: Map<string, { head: string; rules: { text: string; comment?: string }[] }>;
  /** Name -> declaration and elements; of maps, `<key> : <verdict>`. */
  sets: Map<string, { kind: string; type: string; elements: Set<string> }>;
}

const family = '(?:inet )?((?:bridge |ip6? )?\\S+)';
const statement = (text: string): RegExp => new RegExp(`^${text.replace('TABLE', family)}$`);

export class FakeNft {
  /** By name; those of family bridge by `bridge <name>`. */
  readonly tables = new Map<string, FakeTable>();
  #handles = 0;

  /** Runs a script as one transaction and answers what `nft monitor` would print last. */
  script(text: string): string {
    const before = new Map([...this.tables].map(([name, table]) => [name, structuredClone(table)]));
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
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    for (let i = 0; i < lines.length; i += 1) {
      const line = lines[i] ?? '';
      const opened = statement('table TABLE \\{').exec(line);
      if (opened === null) this.#statement(line);
      else {
        const end = lines.indexOf('}', i);
        this.#open(opened[1] ?? '', lines.slice(i + 1, end));
        i = end;
      }
    }
    return lines.at(-1) ?? '';
  }

  #statement(line: string): void {
    for (const [text, act] of this.#statements) {
      const found = statement(text).exec(line);
      if (found !== null) return act(...found.slice(1));
    }
    throw new Error(`the fake host does not know the nft statement '${line}'`);
  }

  readonly #statements: readonly (readonly [string, (...parts: (string | undefined)[]) => void])[] = [
    ['add table TABLE', (table = '') => this.#open(table, [])],
    ['delete table TABLE', (table = '') => refuseUnless(this.tables.delete(table))],
    [
      'add rule TABLE (\\S+) (.+?)(?: comment "([^"]*)")?',
      (table = '', chain = '', text = '', comment) =>
        this.#chain(table, chain).rules.push({ text, ...(comment === undefined ? {} : { comment }) }),
    ],
    ['flush chain TABLE (\\S+)', (table = '', chain = '') => (this.#chain(table, chain).rules = [])],
    ['delete chain TABLE (\\S+)', (table = '', chain = '') => this.#deleteChain(table, chain)],
    [
      'add chain TABLE (\\S+)(?: \\{ (.+) \\})?',
      (table = '', chain = '', head = '') => this.#addChain(this.#table(table), chain, head),
    ],
    [
      'add (set|map) TABLE (\\S+) \\{ (.+); \\}',
      (kind = '', table = '', set = '', type = '') =>
        this.#table(table).sets.set(set, { kind, type, elements: new Set() }),
    ],
    ['delete set TABLE (\\S+)', (table = '', set = '') => this.#deleteSet(table, set)],
    [
      '(add|delete) element TABLE (\\S+) \\{ (.+) \\}',
      (verb = '', table = '', set = '', list = '') => this.#changeElements(verb === 'add', table, set, list),
    ],
  ];

  #table = (name: string): FakeTable => this.tables.get(name) ?? refuse();
  #chain = (table: string, name: string) => this.#table(table).chains.get(name) ?? refuse();

  #open(name: string, body: readonly string[]): void {
    const table: FakeTable = this.tables.get(name) ?? { chains: new Map(), sets: new Map() };
    this.tables.set(name, table);
    let chain = '';
    for (const line of body.map((each) => each.trim())) {
      const opened = /^chain (\S+) \{ ?(.*)$/.exec(line);
      const declared = /^(set|map) (\S+) \{ ([^;]+(?:; flags interval)?);(?: elements = \{ (.*) \};)? \}$/.exec(line);
      if (opened !== null) this.#addChain(table, (chain = opened[1] ?? ''), opened[2] ?? '');
      else if (declared !== null) {
        const [, kind = '', set = '', type = '', list] = declared;
        table.sets.set(set, { kind, type, elements: new Set(list?.split(', ')) });
      } else if (line !== '}') this.#chain(name, chain).rules.push({ text: line });
    }
  }

  #addChain(table: FakeTable, name: string, head: string): void {
    const found = table.chains.get(name);
    if (found === undefined) table.chains.set(name, { head, rules: [] });
    else refuseUnless(found.head === head);
  }

  /** Not what a rule or a map leads to. */
  #deleteChain(table: string, name: string): void {
    const leads = new RegExp(`(jump|goto) ${name}$`);
    const { chains, sets } = this.#table(table);
    const rules = [...chains.values()].flatMap((chain) => chain.rules.map(({ text }) => text));
    const elements = [...sets.values()].flatMap((set) => [...set.elements]);
    refuseUnless(this.#chain(table, name).rules.length === 0);
    refuseUnless(![...rules, ...elements].some((text) => leads.test(text)) && chains.delete(name));
  }

  #deleteSet(table: string, name: string): void {
    const { chains, sets } = this.#table(table);
    const isAsked = [...chains.values()].some(({ rules }) =>
      rules.some(({ text }) => text.split(' ').includes(`@${name}`)),
    );
    refuseUnless(!isAsked && sets.delete(name));
  }

  #changeElements(isAdded: boolean, tableName: string, set: string, list: string): void {
    const table = this.#table(tableName);
    const { elements } = table.sets.get(set) ?? refuse();
    for (const element of list.split(', ')) {
      const target = /(?:jump|goto) (\S+)$/.exec(element)?.[1];
      if (!isAdded) refuseUnless(elements.delete(element));
      else refuseUnless(target === undefined || table.chains.has(target));
      if (isAdded) elements.add(element);
    }
  }

  listJson(name: string): string | undefined {
    const table = this.tables.get(name);
    if (table === undefined) return undefined;
    this.#handles += 1;
    const where = { family: 'inet', table: name, handle: this.#handles };
    const sets = [...table.sets].map(([set, { kind, type, elements }]) => ({
      [kind]: { ...where, name: set, type, elem: [...elements].map(elementJson) },
    }));
    const items = [...table.chains].flatMap(([chain, { head, rules }]) => [
      { chain: { ...where, name: chain, ...headJson(head) } },
      ...rules.map(({ text, comment }) => ({
        rule: { ...where, chain, expr: text, ...(comment === undefined ? {} : { comment }) },
      })),
    ]);
    const top = [{ metainfo: { version: 'fake' } }, { table: { family: 'inet', name, handle: this.#handles } }];
    return JSON.stringify({ nftables: [...top, ...sets, ...items] });
  }
}

function headJson(head: string): object {
  const [, type, hook, priority] = /^type (\S+) hook (\S+) priority (-?\d+);/.exec(head) ?? [];
  return type === undefined ? {} : { type, hook, prio: Number(priority), policy: 'accept' };
}

function elementJson(element: string): unknown {
  const [key = '', verdict] = element.split(' : ');
  const [action = '', target] = verdict?.split(' ') ?? [];
  return verdict === undefined ? key : [key, { [action]: { target } }];
}

function refuseUnless(isFine: boolean): void {
  if (!isFine) refuse();
}

function refuse(): never {
  throw new Refusal('Error: Could not process rule: No such file or directory');
}
