/** `warren leave` */
import { leaveWithoutAgent } from '../../agent/leave.ts';
import { createAgentCall } from '../../agent/local/client.ts';
import type { Left } from '../../agent/local/api.ts';
import { openState } from '../../agent/state.ts';
import { createSystem } from '../../agent/system/run.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { Register } from '../command.ts';
import { type InstanceOptions, settingsOf, withInstance } from './instance.ts';

interface LeaveOptions extends InstanceOptions {
  readonly purge?: boolean;
}

export const register: Register = (program, io) => {
  withInstance(program.command('leave'))
    .description('un-enroll and remove everything Warren made on this host')
    .option('--purge', "remove this host's keys and state as well; without it, joining again gives the same host")
    .action(async (options: LeaveOptions) => {
      const settings = settingsOf(options, io);
      const isPurge = options.purge ?? false;
      const left = await leaveByAgent(settings.runDir, isPurge).catch(async (error: unknown) => {
        if (!(error instanceof WarrenError) || error.code !== 'agent-not-running') throw error;
        return leaveWithoutAgent(settings, createSystem(), await openState(settings.stateDir), isPurge);
      });
      io.output.data(
        left,
        () => `${left.hostId ?? 'this machine'} left the mesh${isPurge ? '; keys and state are removed' : ''}`,
      );
      for (const note of left.notes) io.output.note(note);
    });
};

function leaveByAgent(runDir: string, isPurge: boolean): Promise<Left> {
  return createAgentCall(runDir)('leave', { isPurge });
}
