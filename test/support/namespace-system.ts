/** The agent's real `System`, acting in a network namespace of a test instead of the test's own. */
import { type Argv, type Command, type System, createSystem } from '../../agent/system/run.ts';

export interface CountingSystem extends System {
  /** Command lines run so far. */
  readonly commands: string[];
}

export function systemInside(namespace: string): CountingSystem {
  const system = createSystem();
  const enter = ['nsenter', `--net=/run/netns/${namespace}`] as const;
  const commands: string[] = [];
  const run = (command: Command) => {
    commands.push(command.argv.join(' '));
    return system.run({ ...command, argv: [...enter, ...command.argv] });
  };
  return {
    ...system,
    commands,
    run,
    /** /proc/sys/net shows the namespace of the process that reads it. */
    async readSysctl(path) {
      const { stdout, exitCode } = await run({ argv: ['cat', `/proc/sys/${path}`], okCodes: [0, 1] });
      return exitCode === 0 ? stdout.trim() : undefined;
    },
    async writeSysctl(path, value) {
      await run({ argv: ['tee', `/proc/sys/${path}`], input: value });
    },
    watch: (argv: Argv, onLine) => system.watch([...enter, ...argv], onLine),
  };
}
