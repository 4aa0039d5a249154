/** The options that `warren server` and its subcommands share. */
import type { Command } from 'commander';
import type { ServerFlags } from '../../server/config.ts';

export function withConfigOptions(command: Command): Command {
  return command
    .option('--config <file>', 'YAML configuration (default /etc/warren/server.yaml, where there is one)')
    .option('--listen <host:port>', 'address and port to listen on (default 0.0.0.0:8443)')
    .option('--url <https://host:port>', 'how hosts and people reach this server')
    .option('--state <dir>', 'state directory (default /var/lib/warren-server)')
    .option('--metrics-listen <host:port>', "where Prometheus may ask, or 'off' (default 127.0.0.1:9464)")
    .option('--reflector <on|off|host:port>', 'UDP for hosts behind NAT (default on, at the port of --listen)')
    .option('--domain <name>', 'DNS zone of the mesh (default warren.internal)')
    .option('--log-level <level>', 'fatal, error, warn, info, debug, trace or silent (default info)');
}

/** Options given before or after the subcommand's name. */
export function flagsOf(command: Command): ServerFlags {
  return command.optsWithGlobals<ServerFlags>();
}
