/**
 * nftables of others that no rule of ours can open: what one base chain drops is gone, whatever another one accepts. They
 * are not touched; status says which chain it is and what to add. Whether a chain lets the mesh pass is judged by whether
 * its table speaks of the tunnel, or of the port, at all: its owner has then thought of it.
 */
import type { Refusal } from './desired.ts';
import type { IptablesWish } from './iptables.ts';
import type { ForeignTable } from './observed.ts';

export function planForeign(wish: IptablesWish | undefined, foreign: readonly ForeignTable[]): Refusal[] {
  if (wish === undefined) return [];
  return foreign.flatMap((table) => [...dropping(wish, table), ...dockers(wish, table)]);
}

const kind = 'firewall-drops' as const;

function dropping(wish: IptablesWish, { family, name, drops, text }: ForeignTable): Refusal[] {
  return drops.flatMap(({ chain, hook }) => {
    const missing = hook === 'forward' ? missingForward(wish, text) : missingInput(wish, text);
    if (missing.length === 0) return [];
    const where = `${family} ${name} ${chain}`;
    const what = hook === 'forward' ? 'what passes between the mesh and containers' : 'what the mesh sends this host';
    const add = missing.map((rule) => `insert rule ${where} ${rule}`).join('; ');
    return [{ kind, subject: where, why: `it drops ${what}; no table of Warren's can help that. Run nft '${add}'` }];
  });
}

function missingForward({ tunnel, bridges, publishedMark }: IptablesWish, text: string): string[] {
  if (namesLink(text, tunnel)) return [];
  const links = `{ ${[tunnel, ...bridges].map((link) => `"${link}"`).join(', ')} }`;
  return [
    `iifname ${links} accept`,
    `oifname ${links} ct state established,related accept`,
    `ct mark & ${publishedMark} != 0 accept`,
  ];
}

function missingInput({ tunnel, bridges, listenPort }: IptablesWish, text: string): string[] {
  const names = `iifname { ${bridges.map((link) => `"${link}"`).join(', ')} } meta l4proto { tcp, udp } th dport 53 accept`;
  const echoes = `iifname { ${[tunnel, ...bridges].map((link) => `"${link}"`).join(', ')} } meta l4proto { icmp, ipv6-icmp } accept`;
  return [
    ...(namesPort(text, listenPort) ? [] : [`udp dport ${listenPort} accept`]),
    ...(bridges.every((bridge) => namesLink(text, bridge)) ? [] : [echoes, names]),
  ];
}

/** `"warren0"`, or `"warren*"`. */
const namesLink = (text: string, link: string): boolean =>
  [...text.matchAll(/"([^"*]+)(\*?)"/g)].some(([, name = '', star]) =>
    star === '' ? name === link : link.startsWith(name),
  );

/** Alone, in a set, or within a range. */
function namesPort(text: string, port: number): boolean {
  const lines = text.split('\n').filter((line) => /\b(?:dport|elements)\b/.test(line));
  return lines.some((line) =>
    [...line.matchAll(/\b(\d{1,5})(?:-(\d{1,5}))?\b/g)].some(
      ([, first = '', last = first]) => Number(first) <= port && port <= Number(last),
    ),
  );
}

/**
 * An engine that writes nftables itself: its raw chain drops what comes for a container by a link that it does not trust,
 * its forward chain what is not published. Warren's own network is made so that neither happens.
 */
function dockers({ tunnel, bridges, publishedMark }: IptablesWish, { family, name, text }: ForeignTable): Refusal[] {
  if (name !== 'docker-bridges') return [];
  return bridges.flatMap((bridge) => {
    const isOutside = chainOf(text, 'raw-PREROUTING').some(
      (line) => /\bdrop\b/.test(line) && line.includes(`"${bridge}"`) && !line.includes(`"${tunnel}"`),
    );
    if (!isOutside && !isShut(chainOf(text, `filter-forward-in__${bridge}`), publishedMark)) return [];
    const option = (key: string, value: string): string => `--opt com.docker.network.bridge.${key}=${value}`;
    const mode = option(`gateway_mode_ipv${family === 'ip6' ? 6 : 4}`, 'nat-unprotected');
    const why = `Docker's own nftables drop what the mesh sends to its containers; make the network anew with ${option('trusted_host_interfaces', tunnel)} ${mode}, or start dockerd with --allow-direct-routing --bridge-accept-fwmark=${publishedMark}/${publishedMark}`;
    return [{ kind, subject: `${family} ${name} ${bridge}`, why }];
  });
}

/** True where what is let in by nothing else is dropped at the end. */
function isShut(lines: readonly string[], mark: string): boolean {
  const bits = Number(mark);
  const isOpen = lines.some(
    (line) =>
      /^(?:counter packets \d+ bytes \d+ )?accept\b/.test(line) ||
      (line.includes('ALLOW FW MARK') && hasNumber(line, bits)),
  );
  return !isOpen && lines.some((line) => /^(?:counter packets \d+ bytes \d+ )?drop\b/.test(line));
}

const hasNumber = (line: string, value: number): boolean =>
  [...line.matchAll(/\b(0x[0-9a-f]+|\d+)\b/g)].some(([, text]) => Number(text) === value);

/** The rules of one chain as nft lists them. */
function chainOf(text: string, chain: string): string[] {
  const lines = text.split('\n').map((line) => line.trim());
  const start = lines.findIndex((line) => line === `chain ${chain} {`);
  if (start === -1) return [];
  return lines.slice(start + 1, lines.indexOf('}', start));
}
