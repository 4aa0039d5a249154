/** `warren join` */
import { hostname } from 'node:os';
import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import { enroll, parseAdvertise } from '../../agent/enroll.ts';
import { createAgentCall } from '../../agent/local/client.ts';
import { openState } from '../../agent/state.ts';
import { createSystem } from '../../agent/system/run.ts';
import { WarrenError } from '../../shared/errors.ts';
import { type HostName, parseHostName } from '../../shared/names.ts';
import { type Endpoint, parseEndpoint } from '../../shared/net/endpoint.ts';
import { parseToken } from '../../shared/token.ts';
import { type Io, type Register, collectParsed, wholeNumber } from '../command.ts';
import { fieldTable } from '../output.ts';
import { type InstanceOptions, settingsOf, withInstance } from './instance.ts';

interface JoinOptions extends InstanceOptions {
  readonly tokenFile?: string;
  readonly name?: HostName;
  readonly advertise: ReturnType<typeof parseAdvertise>[];
  readonly endpoint: Endpoint[];
  readonly listenPort?: number;
}

export const register: Register = (program, io) => {
  withInstance(program.command('join'))
    .description('enroll this machine; the agent then runs as a service or by `warren agent`')
    .argument('[token]', "what `warren token create` printed; '-' reads standard input, WARREN_TOKEN is the default")
    .option(
      '--token-file <file>',
      "a file that holds the token, so that it does not stand in the process list; '-' reads standard input",
    )
    .option('--name <name>', "host name in the mesh; this machine's own by default", parseHostName)
    .option(
      '--advertise <cidr[#weight]>',
      'a network behind this host that others may reach, once approved; repeatable',
      collectParsed(parseAdvertise),
      [],
    )
    .option(
      '--endpoint <ip:port>',
      'where others reach this host, if not at its own addresses; repeatable',
      collectParsed(parseEndpoint),
      [],
    )
    .option(
      '--listen-port <port>',
      'UDP port of WireGuard; 51820 or the first free one after it',
      wholeNumber('--listen-port', 1, 65_535),
    )
    .action(async (token: string | undefined, options: JoinOptions) =>
      join(await readToken(token, options, io), options, io),
    );
};

async function join(tokenText: string, options: JoinOptions, io: Io): Promise<void> {
  const token = parseToken(tokenText);
  const settings = settingsOf(options, io);
  const state = await openState(settings.stateDir);
  const { name, advertise, endpoint: endpoints, listenPort } = options;
  const enrolled = await enroll({
    token,
    settings,
    state,
    system: createSystem(),
    machineName: hostname(),
    name,
    advertise,
    endpoints,
    listenPort,
  });
  const isAgentRunning = await tellAgent(settings.runDir);
  const { hostId, name: given, state: standing, expiresAt, isAgain } = enrolled;
  const shown = {
    hostId,
    name: given,
    state: standing,
    server: token.serverUrl,
    certificateExpiresAt: expiresAt,
    isAgain,
  };
  io.output.data(shown, () =>
    fieldTable({ host: given, id: hostId, state: standing, server: token.serverUrl, 'certificate until': expiresAt }),
  );
  if (standing === 'pending') io.output.note(`this host waits for approval: warren host approve ${given}`);
  if (!isAgentRunning) io.output.note("start the agent now: 'systemctl enable --now warren-agent', or 'warren agent'");
}

/** An agent that runs already starts again on the new enrollment; tunnels stay. */
async function tellAgent(runDir: string): Promise<boolean> {
  try {
    await createAgentCall(runDir)('reload', {});
    return true;
  } catch (error) {
    if (error instanceof WarrenError && error.code === 'agent-not-running') return false;
    throw error;
  }
}

async function readToken(given: string | undefined, { tokenFile }: JoinOptions, io: Io): Promise<string> {
  if (given !== undefined && given !== '-') {
    if (tokenFile !== undefined) throw new WarrenError('usage-invalid', 'give the token or --token-file, not both');
    return given;
  }
  if (given === '-' || tokenFile === '-') return readAll(process.stdin);
  if (tokenFile !== undefined) return readTokenFile(tokenFile);
  const fromEnv = io.env['WARREN_TOKEN'] ?? '';
  if (fromEnv !== '') return fromEnv;
  throw new WarrenError(
    'usage-invalid',
    "give the token that 'warren token create' printed, or WARREN_TOKEN, or --token-file",
  );
}

async function readTokenFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new WarrenError('usage-invalid', `--token-file ${path} cannot be read (${why})`, { cause });
  }
}
