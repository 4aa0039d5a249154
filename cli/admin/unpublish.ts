/** `warren unpublish ID|PORT` */
import type { Call } from '../../shared/api/client.ts';
import {
  type ShownPublication,
  publicationIdSchema,
  removePublication,
  showPublication,
} from '../../shared/api/publications.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { Register } from '../command.ts';
import { type ServerOptions, connect, withServerOptions } from './connect.ts';
import { allPublications, hostOn } from './publish.ts';

export const register: Register = (program, io) => {
  withServerOptions(
    program
      .command('unpublish')
      .description('take a published port back')
      .argument('<id or port>', 'an id, or a port like 8080 or 8080/udp'),
  )
    .option('--on <host>', "the host it is on, or 'all', where several have it")
    .action(async (text: string, options: ServerOptions & { on?: string }) => {
      const call = await connect(options, io);
      const found = await findPublication(call, text, options.on);
      await call(removePublication, { params: { id: found.id } });
      io.output.data(found, () => `${described(found)} is published no more (${found.id})`);
    });
};

async function findPublication(call: Call, text: string, on: string | undefined): Promise<ShownPublication> {
  if (publicationIdSchema.safeParse(text).success) return call(showPublication, { params: { id: text } });
  const [, port, protocol] = /^([1-9]\d{0,4})(?:\/(tcp|udp))?$/.exec(text) ?? [];
  if (port === undefined) {
    throw new WarrenError('usage-invalid', 'give the id of a publication, or a port like 8080 or 8080/udp');
  }
  const hostId = on === undefined ? undefined : await hostOn(call, on);
  const found = (await allPublications(call)).items.filter(
    (one) =>
      one.port === Number(port) &&
      (protocol === undefined || one.protocol === protocol) &&
      (hostId === undefined || one.hostId === hostId),
  );
  const [first, ...others] = found;
  if (first === undefined) throw new WarrenError('not-found', `${text} is not published; see 'warren publish ls'`);
  if (others.length === 0) return first;
  const choices = found.map((one) => `${described(one)} (${one.id})`).join(', ');
  throw new WarrenError('usage-invalid', `${text} is published as ${choices}; say which, by id or with --on`);
}

const described = ({ port, protocol, hostName }: ShownPublication): string =>
  `${port}/${protocol} on ${hostName ?? 'all hosts'}`;
