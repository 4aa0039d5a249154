/**
 * The control path: the real server against simulated agents in other processes, with real TLS 1.3 and client
 * certificates. One change, everybody coming back at once, the first full map, enrollment. Judged in `judge.ts`.
 */
import { makeNamespace } from '../../support/namespace.ts';
import { type BenchContext, namespaceOf } from '../context.ts';
import type { SectionResult } from '../figures.ts';
import { type Growth, createFleet } from './fleet.ts';
import { judgeControl } from './judge.ts';
import { makeRoom } from './operate.ts';
import { createServers } from './probed-server.ts';
import { type Stage, measureStage } from './stage.ts';

export async function benchControl(context: BenchContext): Promise<SectionResult> {
  const namespace = namespaceOf(context, 'control');
  await makeNamespace(namespace);
  const servers = createServers(context, namespace);
  const fleet = await createFleet(context, namespace);
  const stages: Stage[] = [];
  const growths: Growth[] = [];
  let token: string | undefined;
  for (const size of context.isQuick ? [100, 400] : [100, 1000, 10_000]) {
    const server = await servers.start();
    await fleet.setPlace(server.place);
    token ??= await makeRoom(server.key, fleet);
    const growth = await fleet.grow(size, token);
    growths.push(growth);
    context.tell(`${growth.count} hosts enrolled, ${(growth.count / growth.seconds).toFixed(0)} per second`);
    stages.push(await measureStage(context, servers, fleet));
    await fleet.disconnect();
  }
  return judgeControl(stages, growths);
}
