/** A WireGuard interface of a fake host: `wg show|set`, with the kernel's way of moving allowed IPs. */
import { existsSync, readFileSync } from 'node:fs';
import { Refusal } from './fake-host-refusal.ts';

export interface FakePeer {
  publicKey: string;
  presharedKey: string;
  endpoint: string;
  allowedIps: string[];
  /** Seconds since 1970. */
  handshakeAt: number;
  rxBytes: number;
  txBytes: number;
  keepalive: string;
}

export class FakeWireguard {
  publicKey: string | undefined;
  listenPort = 40_000;
  readonly peers = new Map<string, FakePeer>();

  show(what: string | undefined): string {
    if (what === 'public-key') return `${this.publicKey ?? '(none)'}\n`;
    if (what === 'peers') return [...this.peers.keys()].map((key) => `${key}\n`).join('');
    if (what === 'preshared-keys')
      return [...this.peers.values()].map((peer) => `${peer.publicKey}\t${peer.presharedKey}\n`).join('');
    if (what !== 'dump') throw new Error(`the fake host does not know 'wg show … ${what}'`);
    const head = [
      this.publicKey === undefined ? '(none)' : 'private',
      this.publicKey ?? '(none)',
      this.listenPort,
      'off',
    ];
    const rows = [...this.peers.values()].map((peer) => [
      peer.publicKey,
      peer.presharedKey,
      peer.endpoint,
      peer.allowedIps.join(',') || '(none)',
      peer.handshakeAt,
      peer.rxBytes,
      peer.txBytes,
      peer.keepalive,
    ]);
    return [head, ...rows].map((row) => `${row.join('\t')}\n`).join('');
  }

  set(words: readonly string[], publicKeyOf: (file: string) => string): void {
    let peer: FakePeer | undefined;
    for (let i = 0; i < words.length; i += 1) {
      const word = words[i];
      const next = (): string => words[(i += 1)] ?? '';
      if (word === 'listen-port') this.listenPort = Number(next());
      else if (word === 'private-key') this.publicKey = publicKeyOf(next());
      else if (word === 'peer') peer = this.#peer(next());
      else if (peer === undefined) throw new Refusal(`Invalid argument: ${word}`);
      else if (word === 'remove') this.peers.delete(peer.publicKey);
      else if (word === 'endpoint') peer.endpoint = next();
      else if (word === 'preshared-key') peer.presharedKey = readPresharedKey(next());
      else if (word === 'persistent-keepalive') peer.keepalive = keepalive(next());
      else if (word === 'allowed-ips') this.#allow(peer, next());
      else throw new Error(`the fake host does not know 'wg set … ${word}'`);
    }
  }

  #peer(publicKey: string): FakePeer {
    const existing = this.peers.get(publicKey);
    if (existing !== undefined) return existing;
    const peer: FakePeer = {
      publicKey,
      presharedKey: '(none)',
      endpoint: '(none)',
      allowedIps: [],
      handshakeAt: 0,
      rxBytes: 0,
      txBytes: 0,
      keepalive: 'off',
    };
    this.peers.set(publicKey, peer);
    return peer;
  }

  /** A prefix lives on one peer: whoever names it last has it. */
  #allow(peer: FakePeer, list: string): void {
    const named = list === '' ? [] : list.split(',');
    const added = named.filter((prefix) => prefix.startsWith('+')).map((prefix) => prefix.slice(1));
    const isAdding = added.length === named.length && added.length > 0;
    if (added.length > 0 && !isAdding) throw new Refusal(`Unable to parse IP address: '${list}'`);
    peer.allowedIps = [...new Set(isAdding ? [...peer.allowedIps, ...added] : named)];
    const taken = new Set(peer.allowedIps);
    if (taken.size === 0) return;
    for (const other of this.peers.values()) {
      if (other !== peer && other.allowedIps.some((prefix) => taken.has(prefix))) {
        other.allowedIps = other.allowedIps.filter((prefix) => !taken.has(prefix));
      }
    }
  }
}

/** Of a real file where there is one. */
function readPresharedKey(file: string): string {
  if (file === '/dev/null') return '(none)';
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : Buffer.alloc(32, file).toString('base64');
}

const keepalive = (text: string): string => (text === '0' ? 'off' : text);
