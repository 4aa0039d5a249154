/** The real server in a process of its own, with the bench's probe loaded ahead of it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createLabServer } from '../../support/lab-server.ts';
import { type BenchContext, builtFile, builtProgram } from '../context.ts';
import { type Remote, connectCalls } from './calls.ts';
import type { ProbeCalls } from './probe.ts';
import type { Place } from './simulated-agent.ts';

export interface ProbedServer {
  readonly probe: Remote<ProbeCalls>;
  readonly place: Place;
  /** An admin key. */
  readonly key: string;
}

export interface Servers {
  /** Starts the server, anew when it runs; its database stays. */
  start(): Promise<ProbedServer>;
}

const address = '127.0.0.1';

/** `nodeFlags`: for example `--cpu-prof`, to look for what a budget is missed by. */
export function createServers(context: BenchContext, namespace: string, nodeFlags: readonly string[] = []): Servers {
  const [node = '', script = ''] = builtProgram();
  const socket = join(context.run.dir, 'probe.sock');
  const probeModule = pathToFileURL(builtFile('test/bench/control/probe.js'));
  probeModule.search = new URLSearchParams({ socket }).toString();
  const program = [node, ...nodeFlags, '--import', probeModule.href, script];
  // Its admin commands would load the probe too; the operator's calls go through the API instead.
  const lab = createLabServer({ program, namespace, address, dir: context.run.dir });
  return {
    async start() {
      await lab.stop();
      await lab.start();
      const ca = await readFile(join(lab.stateDir, 'ca.crt'), 'utf8');
      const key = await readFile(join(lab.stateDir, 'admin.key'), 'utf8');
      const place = { host: address, port: lab.port, ca };
      return { probe: await connectCalls<ProbeCalls>(socket), place, key: key.trim() };
    },
  };
}
