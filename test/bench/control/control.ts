/**
 * The control path: the real server against simulated agents in other processes, with real TLS 1.3 and client
 * certificates. One change, everybody coming back at once, the first full map, enrollment. Judged in `judge.ts`.
 */
import { createPool } from '../../../shared/api/pools.ts';
import { createToken, createdTokenSchema } from '../../../shared/api/tokens.ts';
import { makeNamespace } from '../../support/namespace.ts';
import { type BenchContext, namespaceOf } from '../context.ts';
import type { SectionResult } from '../figures.ts';
import { type Fleet, type Growth, createFleet } from './fleet.ts';
import { judgeControl } from './judge.ts';
import { type ProbedServer, createServers } from './probed-server.ts';
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
    token ??= await prepare(server, fleet);
    const growth = await fleet.grow(size, token);
    growths.push(growth);
    context.tell(`${growth.count} hosts enrolled, ${(growth.count / growth.seconds).toFixed(0)} per second`);
    stages.push(await measureStage(context, servers, fleet));
    await fleet.disconnect();
  }
  return judgeControl(stages, growths);
}

/** A token for all, and addresses for more than the 256 hosts that the default pool has leases for. */
async function prepare(server: ProbedServer, fleet: Fleet): Promise<string> {
  const pool = { kind: 'container', prefix: '10.128.0.0/10', leaseLength: 24 };
  await fleet.operate(server.key, createPool.method, createPool.path, pool);
  const { body } = await fleet.operate(server.key, createToken.method, createToken.path, { uses: 20_000 });
  return createdTokenSchema.parse(JSON.parse(body)).token;
}
