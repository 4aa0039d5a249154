/** The options by which every host command finds its agent instance. */
import type { Command } from 'commander';
import { type AgentSettings, loadSettings } from '../../agent/config.ts';
import { type CallAgent, createAgentCall } from '../../agent/local/client.ts';
import type { Io } from '../command.ts';

export interface InstanceOptions {
  readonly instance?: string;
  readonly config?: string;
}

export function withInstance(command: Command): Command {
  return command
    .option('--instance <name>', "agent instance; 'default' by default, or WARREN_INSTANCE")
    .option('--config <file>', 'YAML; /etc/warren/<instance>.yaml by default, or WARREN_CONFIG');
}

export function settingsOf(options: InstanceOptions, io: Io): AgentSettings {
  return loadSettings({ flags: { instance: options.instance, config: options.config }, env: io.env });
}

export function agentOf(options: InstanceOptions, io: Io): CallAgent {
  return createAgentCall(settingsOf(options, io).runDir);
}
