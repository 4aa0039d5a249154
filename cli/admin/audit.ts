/** `warren audit`: the last entries, and with `--follow` each new one as it is committed. */
import { setTimeout as delay } from 'node:timers/promises';
import { type AuditEntry, listAudit } from '../../shared/api/audit.ts';
import type { Call } from '../../shared/api/client.ts';
import { watchEvents } from '../../shared/api/status.ts';
import { WarrenError } from '../../shared/errors.ts';
import { createSseReader } from '../../shared/protocol.ts';
import { type Io, type Register, wholeNumber } from '../command.ts';
import type { Output, Table } from '../output.ts';
import { type ServerOptions, createAdminCall, readConnection, withServerOptions } from './connect.ts';
import { shortTime } from './time.ts';
import { type Connection, openStream } from './transport.ts';

/** Errors that end by themselves. */
const passing: ReadonlySet<string> = new Set(['unreachable', 'timeout', 'draining']);

interface AuditOptions extends ServerOptions {
  readonly limit: number;
  readonly follow?: boolean;
}

export const register: Register = (program, io) => {
  withServerOptions(program.command('audit').description('who changed what, when'))
    .option('--limit <number>', 'how many of the newest entries', wholeNumber('--limit', 1, 1000), 100)
    .option('-f, --follow', 'go on with each new entry as it is committed')
    .action(async (options: AuditOptions) => audit(options, io));
};

async function audit(options: AuditOptions, io: Io): Promise<void> {
  const connection = await readConnection(options, io.env);
  const call = createAdminCall(connection);
  const newest = await call(listAudit, { query: { limit: options.limit } });
  const items = newest.items.toReversed();
  if (options.follow !== true) {
    io.output.data({ items, nextCursor: null }, () => auditTable(items));
    return;
  }
  for (const entry of items) printEntry(io.output, entry);
  await follow(connection, call, items.at(-1)?.id ?? '0', io.output);
}

/** Runs until the process ends; a lost server is waited for. An event only wakes; the entries come from the list. */
async function follow(connection: Connection, call: Call, from: string, output: Output): Promise<never> {
  let last = from;
  for (;;) {
    try {
      const stream = await openStream(connection, watchEvents.path);
      last = await printLater(call, last, output);
      const read = createSseReader();
      for await (const chunk of stream) {
        if (read(chunk).some((event) => event.event !== 'comment')) last = await printLater(call, last, output);
      }
      output.note('the server ended the stream; trying again');
    } catch (error) {
      if (error instanceof WarrenError && !passing.has(error.code)) throw error;
      output.note('the server cannot be reached; trying again');
    }
    await delay(1000);
  }
}

/** Prints what came after entry `last`; answers the id of the newest one printed. */
async function printLater(call: Call, last: string, output: Output): Promise<string> {
  let after = last;
  for (;;) {
    const { items } = await call(listAudit, { query: { after, limit: 1000 } });
    for (const entry of items) printEntry(output, entry);
    after = items.at(-1)?.id ?? after;
    if (items.length < 1000) return after;
  }
}

function printEntry(output: Output, entry: AuditEntry): void {
  output.line(entry, () => entryCells(entry).join('  '));
}

function auditTable(entries: readonly AuditEntry[]): Table {
  return { columns: ['at', 'revision', 'actor', 'action', 'subject', 'detail'], rows: entries.map(entryCells) };
}

function entryCells(entry: AuditEntry): (string | number)[] {
  const { at, revision, actor, action, subject, detail } = entry;
  const details = Object.entries(detail).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return [shortTime(at) ?? '', revision, actor, action, subject ?? '-', details.join(' ')];
}
