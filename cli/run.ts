/**
 * Finds the command, loads only its file, and tells errors in one way. What a command does stands in `server/`, `host/`
 * and `admin/`; nothing here imports them ahead of need, because the agent's start and memory are counted.
 */
import { Command, CommanderError, Option } from 'commander';
import { WarrenError, asWarrenError, errorKinds } from '../shared/errors.ts';
import { type ExitCode, type Io, type Register, exitCodeOf } from './command.ts';

interface Entry {
  readonly summary: string;
  readonly load: () => Promise<{ readonly register: Register }>;
}

const entries: Readonly<Record<string, Entry>> = {
  server: {
    summary: 'run the coordination server; backup, restore, configtest',
    load: () => import('./server/server.ts'),
  },
  agent: { summary: 'run the agent in the foreground', load: () => import('./host/agent.ts') },
  join: { summary: 'enroll this machine', load: () => import('./host/join.ts') },
  leave: { summary: 'un-enroll and remove what Warren made on this host', load: () => import('./host/leave.ts') },
  status: { summary: 'show this host: peers, paths, failures', load: () => import('./host/status.ts') },
  ping: { summary: 'ping a host over the mesh', load: () => import('./host/ping.ts') },
  netcheck: { summary: 'what the network lets this host do', load: () => import('./host/netcheck.ts') },
  attach: { summary: 'join a container, process or namespace to the mesh', load: () => import('./host/attach.ts') },
  detach: { summary: 'take it out of the mesh again', load: () => import('./host/detach.ts') },
  dns: { summary: 'names of hosts, containers and services', load: () => import('./host/dns.ts') },
  env: { summary: 'a service as the variables of Docker’s links', load: () => import('./host/env.ts') },
  docker: { summary: 'networks of this host’s container engine on the mesh', load: () => import('./host/docker.ts') },
  cni: { summary: 'the CNI plugin for container runtimes; install', load: () => import('./host/cni.ts') },
  flannel: { summary: 'what flannel did for Docker, out of subnet.env', load: () => import('./host/flannel.ts') },
  host: { summary: 'list, show, change, approve and remove hosts', load: () => import('./admin/host.ts') },
  subnet: { summary: 'list, approve, reject and remove advertised subnets', load: () => import('./admin/subnet.ts') },
  publish: { summary: 'publish a service on ports of hosts', load: () => import('./admin/publish.ts') },
  unpublish: { summary: 'take a published port back', load: () => import('./admin/unpublish.ts') },
  segment: { summary: 'list, declare and remove segments', load: () => import('./admin/segment.ts') },
  workload: { summary: 'list what runs on the hosts', load: () => import('./admin/workload.ts') },
  pool: { summary: 'list and add address pools', load: () => import('./admin/pool.ts') },
  lock: {
    summary: 'a locked mesh: keys of admins sign who is in it',
    load: () => import('./lock/lock.ts'),
  },
  token: { summary: 'make, list and revoke enrollment tokens', load: () => import('./admin/token.ts') },
  ca: { summary: 'show, replace and retire the certificate authority', load: () => import('./admin/ca.ts') },
  key: { summary: 'make, list and revoke API keys', load: () => import('./admin/key.ts') },
  audit: { summary: 'show who changed what', load: () => import('./admin/audit.ts') },
  version: { summary: 'show the version', load: () => import('./version.ts') },
};

/** Never throws; the exit code tells how it went. */
export async function run(args: readonly string[], io: Io): Promise<ExitCode> {
  try {
    await armForTests(io);
    const program = await buildProgram(args, io);
    await program.parseAsync(args[0] === '--version' ? ['version'] : [...args], { from: 'user' });
    return 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) return tell(asWarrenError(error), io);
    if (error.code.startsWith('commander.help')) return error.exitCode === 0 ? 0 : 2;
    return tell(usageError(error, args), io);
  }
}

/** Only tests let a process die at a place of their choice. */
async function armForTests({ env }: Io): Promise<void> {
  if (env['WARREN_CRASH_AT'] === undefined) return;
  const { armCrashPoint } = await import('../shared/crash-points.ts');
  armCrashPoint(env['WARREN_CRASH_AT'], () => process.kill(process.pid, 'SIGKILL'));
}

async function buildProgram(args: readonly string[], io: Io): Promise<Command> {
  const program = new Command('warren')
    .description('Joins hosts that run containers into one encrypted mesh.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.output.data(text, () => text.trimEnd()),
      writeErr: (text) => io.output.note(text.trimEnd()),
      outputError: () => {},
    })
    .addHelpText('after', '\nexit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 denied, 5 unreachable');
  const name = commandName(args);
  const wanted = name !== undefined && Object.hasOwn(entries, name) ? entries[name] : undefined;
  if (wanted !== undefined) (await wanted.load()).register(program, io);
  for (const [known, entry] of Object.entries(entries)) {
    if (!program.commands.some((command) => command.name() === known)) {
      program.command(known).description(entry.summary);
    }
  }
  offerJson(program);
  return program;
}

/** `warren help host` and `warren --json host ls` speak of `host` too. */
function commandName(args: readonly string[]): string | undefined {
  if (args[0] === '--version') return 'version';
  const words = args.filter((text) => !text.startsWith('-') && text !== 'json');
  return words[0] === 'help' ? words[1] : words[0];
}

/** Every command takes `--json`; `args.ts` has read it already, so that errors can be JSON as well. */
function offerJson(command: Command): void {
  for (const child of command.commands) offerJson(child);
  command.addOption(new Option('--json', 'print JSON, the same as -o json'));
  command.addOption(new Option('-o, --output <format>', 'what to print').choices(['table', 'json']));
}

function usageError(error: CommanderError, args: readonly string[]): WarrenError {
  const known = args.find((text) => Object.hasOwn(entries, text));
  const what = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
  const help = known === undefined ? 'warren --help' : `warren ${known} --help`;
  return new WarrenError('usage-invalid', `${what}; see '${help}'`, { cause: error });
}

function tell(error: WarrenError, io: Io): ExitCode {
  const exitCode = exitCodeOf(error);
  if (io.output.isJson) {
    const { code, message, field, status } = error;
    io.output.note(JSON.stringify({ code, status, title: errorKinds[code].title, detail: message, field }));
  } else {
    io.output.note(`warren: ${error.message}`);
    if (error.code === 'internal' && io.env['WARREN_DEBUG'] !== undefined) {
      io.output.note(error.cause instanceof Error ? (error.cause.stack ?? '') : (error.stack ?? ''));
    }
  }
  return exitCode;
}
