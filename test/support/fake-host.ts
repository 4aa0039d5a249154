/**
 * A host's kernel in memory behind the agent's `System`: links, addresses, routes, WireGuard, one nftables table, kernel
 * switches and network namespaces. It understands exactly the commands the agent uses and throws on any other, so a
 * new command has to be taught here. Timing, packets and handshakes are not simulated; tests set handshakes themselves.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { WarrenError } from '../../shared/errors.ts';
import type { Argv, Command, CommandResult, System } from '../../agent/system/run.ts';
import { FakeNetns } from './fake-host-netns.ts';
import { FakeNft } from './fake-host-nft.ts';
import { Refusal } from './fake-host-refusal.ts';
import { FakeWireguard } from './fake-host-wg.ts';

export interface FakeHostOptions {
  /** False makes the host use wireguard-go. */
  readonly hasKernelWireguard?: boolean;
  /** Public key of a private key file; by default the file is read and the key derived. */
  readonly publicKeyOf?: (file: string) => string;
  /** Addresses of the uplink `eth0`; default `192.0.2.1/24`. */
  readonly addresses?: readonly string[];
  /** Answers further commands, for tests of others; undefined lets the host refuse them. */
  readonly answer?: (argv: Argv, input: string | undefined) => string | undefined;
}

export interface Fault {
  /** Matched against the command line (of wg with its input), and against each line of a batch. */
  readonly matches: RegExp;
  readonly stderr: string;
  /** How often it strikes; default once. */
  times?: number;
}

export class FakeHost {
  readonly system: System;
  readonly wireguard = new Map<string, FakeWireguard>();
  readonly nft = new FakeNft();
  readonly main: FakeNetns;
  /** Other namespaces by path. */
  readonly namespaces = new Map<string, FakeNetns>();
  readonly sysctls = new Map<string, string>();
  readonly files = new Map<string, string>();
  /** Programs that are not installed. */
  readonly missingPrograms = new Set<string>(['iptables-save', 'ip6tables-save']);
  /** Every command line run, oldest first; batches with their lines. */
  readonly commands: string[] = [];
  readonly #options: FakeHostOptions;
  readonly #faults: Fault[] = [];
  readonly #watchers = new Set<{ tool: string; onLine: (line: string) => void }>();

  constructor(options: FakeHostOptions = {}) {
    this.#options = options;
    this.main = new FakeNetns((line) => this.#tell('ip', line));
    for (const path of ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding']) this.sysctls.set(path, '0');
    for (const scope of ['all', 'default']) this.sysctls.set(`net/ipv6/conf/${scope}/disable_ipv6`, '0');
    this.sysctls.set('net/ipv6/conf/eth0/accept_ra', '1');
    this.sysctls.set('kernel/osrelease', '6.1.0-fake');
    this.files.set('/proc/self/status', 'CapEff:\t000001ffffffffff\n').set('/dev/net/tun', '');
    this.main.addLink('lo', undefined, { isLoopback: true, mtu: 65_536 });
    this.hand('ip link set dev lo up');
    this.main.addLink('eth0', undefined, { mtu: 1500 });
    this.hand('ip link set dev eth0 up');
    for (const address of options.addresses ?? ['192.0.2.1/24']) this.hand(`ip addr add ${address} dev eth0`);
    this.system = this.#createSystem();
  }

  /** Does what a person at the host would do, outside of the agent; same commands, no faults. Throws when refused. */
  hand(commandLine: string): void {
    const [tool, ...rest] = commandLine.split(' ');
    if (tool === 'ip') this.#batchLine(this.main, rest);
    else if (tool === 'bridge') this.#bridgeLine(rest);
    else if (tool === 'nft') this.#tell('nft', this.nft.script(rest.join(' ')));
    else if (tool === 'wg') this.#wg(rest);
    else throw new Error(`the fake host cannot do '${commandLine}' by hand`);
  }

  inject(fault: Fault): void {
    this.#faults.push(fault);
  }

  addNamespace(path: string): FakeNetns {
    const netns = new FakeNetns(() => undefined);
    this.namespaces.set(path, netns);
    this.files.set(path, '');
    netns.addLink('lo', undefined, { isLoopback: true, mtu: 65_536 });
    return netns;
  }

  /** The namespace ends, and with it every link in it and their other ends. */
  removeNamespace(path: string): void {
    for (const link of this.namespaces.get(path)?.links.values() ?? []) link.peer?.netns.removeLink(link.peer.name);
    this.namespaces.delete(path);
    this.files.delete(path);
  }

  #createSystem(): System {
    return {
      run: (command) => Promise.resolve().then(() => this.#run(command)),
      readSysctl: (path) => Promise.resolve(this.sysctls.get(path)),
      writeSysctl: (path, value) => Promise.resolve().then(() => this.#writeSysctl(path, value)),
      readText: (path) => Promise.resolve(this.files.get(path)),
      fileExists: (path) => Promise.resolve(this.files.has(path)),
      exchange: (path) => Promise.reject(new WarrenError('unreachable', `nobody listens on ${path}`)),
      whenEnded: () => ({ stop: () => undefined }),
      watch: (argv, onLine) => {
        const watcher = { tool: argv[0], onLine };
        this.#watchers.add(watcher);
        return { stop: () => void this.#watchers.delete(watcher) };
      },
    };
  }

  #writeSysctl(path: string, value: string): void {
    this.commands.push(`sysctl ${path}=${value}`);
    const fault = this.#strike(`sysctl ${path}`);
    if (fault !== undefined) throw new WarrenError('privilege-missing', `cannot set ${path}: ${fault}`);
    this.sysctls.set(path, value);
  }

  #run({ argv, input, okCodes = [0] }: Command): CommandResult {
    const line = argv.join(' ');
    this.commands.push(input === undefined ? line : `${line}\n${input}`);
    const fault = this.#strike(argv[0] === 'wg' && input !== undefined ? `${line}\n${input}` : line);
    const result = fault === undefined ? this.#answer(argv, input) : { stdout: '', stderr: fault, exitCode: 1 };
    if (okCodes.includes(result.exitCode)) return result;
    throw new WarrenError('command-failed', `'${line}' failed: ${result.stderr}`);
  }

  #strike(text: string): string | undefined {
    const fault = this.#faults.find(({ matches, times = 1 }) => times > 0 && matches.test(text));
    if (fault === undefined) return undefined;
    fault.times = (fault.times ?? 1) - 1;
    return fault.stderr;
  }

  #answer(argv: Argv, input: string | undefined): CommandResult {
    const [tool, ...args] = argv;
    if (this.missingPrograms.has(tool)) throw new WarrenError('program-missing', `'${tool}' is not installed`);
    try {
      const extra = this.#options.answer?.(argv, input);
      return extra === undefined ? this.#dispatch(tool, args, input) : ok(extra);
    } catch (error) {
      if (error instanceof Refusal) return { stdout: '', stderr: error.message, exitCode: error.exitCode };
      throw error;
    }
  }

  #dispatch(tool: string, args: readonly string[], input: string | undefined): CommandResult {
    const line = args.join(' ');
    if (line === '--version' || line === '-V') return ok(`${tool.split('/').at(-1)} v0.0.20231211\n`);
    if (tool === 'ip') return this.#ip(this.main, args, input);
    if (tool === 'wg') return ok(this.#wg(args));
    if (tool === 'nft') return this.#nft(line, input);
    if (tool === 'bridge') return this.#bridge(line, input);
    if (tool === 'nsenter') return this.#enter(args, input);
    if (tool.endsWith('wireguard-go') && args.length === 1) return ok(this.#makeTunnel(args[0] ?? '', 'tun'));
    throw new Error(`the fake host does not know '${tool} ${line}'`);
  }

  #enter([net = '', tool, ...args]: readonly string[], input: string | undefined): CommandResult {
    const netns = this.namespaces.get(net.replace('--net=', ''));
    if (netns === undefined) throw new Refusal(`nsenter: cannot open ${net}: No such file or directory`);
    if (tool === 'sysctl') return ok('');
    if (tool !== 'ip') throw new Error(`the fake host does not know '${tool}' inside a namespace`);
    return this.#ip(netns, args, input);
  }

  #ip(netns: FakeNetns, args: readonly string[], input: string | undefined): CommandResult {
    const line = args.join(' ');
    if (line === '-j -d addr show') return ok(netns.addressJson());
    const shown = /^-j -([46]) route show table main$/.exec(line);
    if (shown !== null) return ok(netns.routeJson(shown[1] === '4' ? [4] : [6]));
    if (line === '-j -d route show table all') return ok(netns.routeJson([4, 6]));
    if (/^-j -d link show dev \S+$/.test(line)) {
      return ok(JSON.stringify([{ linkinfo: { info_slave_data: { state: 'forwarding' } } }]));
    }
    if (line === '-force -batch -') return this.#batch(netns, input ?? '');
    if (/^link add dev \S+ type wireguard$/.test(line)) return ok(this.#makeTunnel(args[3] ?? '', 'wireguard'));
    throw new Error(`the fake host does not know 'ip ${line}'`);
  }

  #bridge(line: string, input: string | undefined): CommandResult {
    const shown = /^-j fdb show dev (\S+)$/.exec(line);
    if (shown !== null) return ok(JSON.stringify(this.main.need(shown[1] ?? '').entries));
    if (line === '-j vlan show') return ok(this.main.vlanJson());
    if (line !== '-force -batch -') throw new Error(`the fake host does not know 'bridge ${line}'`);
    return this.#lines(input ?? '', (words) => this.#bridgeLine(words));
  }

  #bridgeLine(words: readonly string[]): void {
    if (words[0] === 'vlan') this.main.changeVlan(words);
    else this.main.changeEntry(words);
  }

  #batch(netns: FakeNetns, input: string): CommandResult {
    return this.#lines(input, (words) => this.#batchLine(netns, words));
  }

  #lines(input: string, change: (words: readonly string[]) => void): CommandResult {
    let stderr = '';
    input.split('\n').forEach((line, index) => {
      if (line === '') return;
      const fault = this.#strike(line);
      try {
        if (fault !== undefined) throw new Refusal(fault);
        change(line.split(' '));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        stderr += `${error.message}\nCommand failed -:${index + 1}\n`;
      }
    });
    return { stdout: '', stderr, exitCode: stderr === '' ? 0 : 1 };
  }

  #batchLine(netns: FakeNetns, words: readonly string[]): void {
    const isDeletion = words[0] === 'link' && words[1] === 'del';
    netns.change(words, (path) => this.namespaces.get(path));
    if (isDeletion && netns === this.main) this.wireguard.delete(words.at(-1) ?? '');
  }

  #makeTunnel(name: string, kind: 'wireguard' | 'tun'): string {
    if (kind === 'wireguard' && this.#options.hasKernelWireguard === false) {
      throw new Refusal('Error: Unknown device type.', 2);
    }
    this.main.addLink(name, kind, { mtu: 1420 });
    this.wireguard.set(name, new FakeWireguard());
    return '';
  }

  #wg(args: readonly string[]): string {
    const [verb, name = '', ...rest] = args;
    const device = this.wireguard.get(name);
    if (device === undefined) throw new Refusal(`Unable to access interface: No such device`);
    if (verb === 'show') return device.show(rest[0]);
    if (verb === 'set') device.set(rest, this.#options.publicKeyOf ?? derivePublicKey);
    else throw new Error(`the fake host does not know 'wg ${args.join(' ')}'`);
    return '';
  }

  #nft(line: string, input: string | undefined): CommandResult {
    const listed = /^-j list table (?:inet )?((?:bridge )?\S+)$/.exec(line);
    if (listed !== null) {
      const json = this.nft.listJson(listed[1] ?? '');
      if (json === undefined) throw new Refusal('Error: No such file or directory');
      return ok(json);
    }
    if (line === '-j list chains') return ok('{"nftables":[]}');
    if (line !== '-f -') throw new Error(`the fake host does not know 'nft ${line}'`);
    this.#tell('nft', this.nft.script(input ?? ''));
    return ok('');
  }

  #tell(tool: string, line: string): void {
    for (const watcher of this.#watchers) if (watcher.tool === tool) watcher.onLine(line);
  }
}

const ok = (stdout: string): CommandResult => ({ stdout, stderr: '', exitCode: 0 });

/** Curve25519 public key of a private key file as `wg genkey` writes it (RFC 8410 section 7 wraps the raw key). */
function derivePublicKey(file: string): string {
  const raw = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64');
  const der = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), raw]);
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  return Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url').toString('base64');
}
