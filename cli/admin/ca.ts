/** `warren ca ...` */
import { type Ca, getCa, retireCa, rotateCa } from '../../shared/api/ca.ts';
import type { Register } from '../command.ts';
import { type Table, fieldTable } from '../output.ts';
import { confirm } from './confirm.ts';
import { type ServerOptions, connect, withServerOptions } from './connect.ts';
import { shortTime } from './time.ts';

export const register: Register = (program, io) => {
  const ca = program.command('ca').description("the mesh's certificate authority");
  withServerOptions(
    ca.command('show').description('show it, its former ones, and who has certificates of these'),
  ).action(async (options: ServerOptions) => {
    const call = await connect(options, io);
    const shown = await call(getCa);
    io.output.data(shown, () => caTable(shown));
  });
  withServerOptions(ca.command('rotate').description('put a new one in place; hosts follow by themselves')).action(
    async (options: ServerOptions) => {
      const call = await connect(options, io);
      const made = await call(rotateCa);
      io.output.data(made, () => caTable(made));
      io.output.note("copy the server's new ca.crt to wherever --ca or WARREN_CA names the old one");
      io.output.note("when 'warren ca show' names no host any more, end the former one with 'warren ca retire'");
    },
  );
  withServerOptions(ca.command('retire').description('end the former ones and what they signed'))
    .option('--force', 'also while hosts have a certificate of theirs; these will have to join again')
    .option('-y, --yes', 'do not ask')
    .action(async ({ force, yes, ...options }: ServerOptions & { force?: boolean; yes?: boolean }) => {
      const call = await connect(options, io);
      const { hostsBehind } = await call(getCa);
      if (force === true && hostsBehind.length > 0) {
        await confirm(`${hostsBehind.join(', ')} will have to join again. Retire the former CA?`, yes, io);
      }
      const left = await call(retireCa, { body: { isForced: force === true } });
      io.output.data(left, () => caTable(left));
    });
};

function caTable({ pin, expiresAt, formers, hostsBehind }: Ca): Table {
  const former = formers.map((one) => `${one.pin} until ${shortTime(one.succeededAt) ?? ''}`);
  return fieldTable({
    pin,
    expires: shortTime(expiresAt),
    former: former.length === 0 ? 'none' : former.join('\n'),
    'hosts behind': hostsBehind.length === 0 ? 'none' : hostsBehind.join(' '),
  });
}
