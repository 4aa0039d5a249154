/** `warren status` */
import type { PeerStatus, Status } from '../../agent/local/api.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { Register } from '../command.ts';
import { formatTable } from '../table.ts';
import { fieldTable } from '../output.ts';
import { Option } from 'commander';
import { type InstanceOptions, agentOf, withInstance } from './instance.ts';

interface StatusOptions extends InstanceOptions {
  readonly check?: 'ready' | 'live';
}

export const register: Register = (program, io) => {
  withInstance(program.command('status'))
    .description('show this host: revision, peers, paths, failures')
    .addOption(
      new Option('--check <what>', 'only tell by exit code: live (the agent answers), ready (all is applied)').choices([
        'ready',
        'live',
      ]),
    )
    .action(async (options: StatusOptions) => {
      const status = await readStatus(options, agentOf(options, io));
      if (options.check === undefined) {
        io.output.data(status, () => describe(status));
        return;
      }
      const isOk = options.check === 'live' || status.isReady;
      io.output.data({ check: options.check, isOk, waitingFor: isOk ? null : status.waitingFor }, () =>
        isOk ? (options.check ?? '') : '',
      );
      if (!isOk) throw new WarrenError('conflict', `not ready: ${status.waitingFor ?? ''}`);
    });
};

/** A check answers 0 or 1, also where no agent runs. */
async function readStatus({ check }: StatusOptions, call: ReturnType<typeof agentOf>): Promise<Status> {
  try {
    return await call('status', {});
  } catch (error) {
    if (check === undefined || !(error instanceof WarrenError) || error.code !== 'agent-not-running') throw error;
    throw new WarrenError('conflict', `not ${check}: ${error.message}`, { cause: error });
  }
}

function describe(status: Status): string {
  const plain = { isColored: false, width: undefined };
  const parts = [formatTable(fieldTable(fieldsOf(status)), plain)];
  if (status.peers.length > 0)
    parts.push(formatTable({ columns: peerColumns, rows: status.peers.map(peerRow) }, plain));
  const indirect = status.peers.flatMap(({ name, whyNotDirect }) =>
    whyNotDirect === null ? [] : [[name, whyNotDirect]],
  );
  if (indirect.length > 0) parts.push(formatTable({ columns: ['not direct', 'why'], rows: indirect }, plain));
  const unprotected = status.peers.flatMap(({ name, postQuantum: { why } }) => (why === null ? [] : [[name, why]]));
  if (unprotected.length > 0)
    parts.push(formatTable({ columns: ['not post-quantum', 'why'], rows: unprotected }, plain));
  if (status.attachments.length > 0) {
    const rows = status.attachments.map((one) => [one.target, one.addresses.join(' '), one.state]);
    parts.push(formatTable({ columns: ['attachment', 'addresses', 'state'], rows }, plain));
  }
  if (status.failures.length > 0) {
    const rows = status.failures.map((one) => [one.kind, one.subject, one.since, one.why]);
    parts.push(formatTable({ columns: ['failure', 'subject', 'since', 'why'], rows }, plain));
  }
  return parts.join('\n').trimEnd();
}

function fieldsOf(status: Status): Record<string, string | number | null> {
  const { backend, applied, received, server } = status;
  return {
    host: `${status.name} (${status.hostId}), ${status.state}`,
    addresses: status.addresses.join(' '),
    lease: status.leases.join(' '),
    subnets: status.subnets.join(' '),
    interface: `${status.interface}, port ${status.listenPort}, mtu ${status.mtu ?? '?'}`,
    backend: [`${backend.kind} ${backend.version}`.trim(), backend.note].filter((text) => text !== null).join('; '),
    docker: describeEngine(status.engine),
    revision: `${applied?.revision ?? 'none'} applied of ${received?.revision ?? 'none'}`,
    server: `${server.url}, ${server.state}${server.error === null ? '' : `: ${server.error.message}`}`,
    nat: describeNat(status),
    relay: status.relay === null ? null : describeRelay(status.relay),
    lock: status.lock === null ? null : `root ${status.lock.root}, ${status.lock.height} entries`,
    certificate: status.certificateExpiresAt === null ? null : `until ${status.certificateExpiresAt}`,
    ready: status.isReady ? 'yes' : `no: ${status.waitingFor ?? ''}`,
  };
}

function describeNat({ nat, mappedEndpoints }: Status): string {
  const kinds = {
    unknown: 'not known yet',
    none: 'none',
    easy: 'one port for all who look',
    symmetric: 'another port for each who looks (symmetric)',
  };
  return mappedEndpoints.length === 0 ? kinds[nat] : `${kinds[nat]}; seen as ${mappedEndpoints.join(' ')}`;
}

const describeRelay = ({ pairs }: NonNullable<Status['relay']>): string =>
  pairs === 1 ? '1 pair has ports here' : `${pairs} pairs have ports here`;

function describeEngine(engine: Status['engine']): string | null {
  if (engine === null) return null;
  const network = engine.network === null ? 'no network yet' : `network ${engine.network}`;
  return `${engine.version}, ${network}, ${engine.containers} containers on the mesh`;
}

const peerColumns = ['peer', 'address', 'endpoint', 'path', 'handshake', 'post-quantum', 'rx', 'tx'];

/** Of the session under way. */
const words = { none: 'no', agreed: 'from the next handshake on', protected: 'yes' } as const;

function peerRow(peer: PeerStatus): (string | null)[] {
  const age = peer.handshakeAgeSeconds;
  return [
    peer.isGone ? `${peer.name} (gone)` : peer.name,
    peer.addresses[0] ?? null,
    peer.endpoint,
    describePath(peer),
    age === null ? 'never' : `${age} s ago`,
    words[peer.postQuantum.state],
    bytes(peer.rxBytes),
    bytes(peer.txBytes),
  ];
}

function describePath({ path, via, rttMs, mtu }: PeerStatus): string {
  const way = via === null ? path : `${path} by ${via}`;
  return [way, ...(rttMs === null ? [] : [`${rttMs} ms`]), ...(mtu === null ? [] : [`mtu ${mtu}`])].join(', ');
}

function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = count;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit += 1) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`;
}
