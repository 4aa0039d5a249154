/** Takes Warren's network out of the engine, with an agent or without one. */
import { WarrenError, asWarrenError } from '../../shared/errors.ts';
import type { HostId } from '../../shared/names.ts';
import { askVersion, listNetworks, removeNetwork } from './api.ts';
import { createEngine } from './engine.ts';
import { hostLabel } from './network.ts';

/** Answers what was left, and why. No engine is no trouble. */
export async function leaveEngine(socketPath: string | undefined, hostId: HostId): Promise<string[]> {
  if (socketPath === undefined) return [];
  try {
    const { ApiVersion } = await askVersion(createEngine(socketPath, undefined));
    const engine = createEngine(socketPath, ApiVersion);
    const own = (await listNetworks(engine)).filter((network) => network.Labels?.[hostLabel] === hostId);
    const notes: string[] = [];
    for (const network of own) {
      await removeNetwork(engine, network.Id).catch((error: unknown) => {
        const why = asWarrenError(error).message;
        notes.push(`the engine's network ${network.Name} stays (${why}); docker network rm ${network.Name} later`);
      });
    }
    return notes;
  } catch (error) {
    if (error instanceof WarrenError && error.code === 'unreachable') return [];
    return [`the engine was not asked to remove Warren's network (${asWarrenError(error).message})`];
  }
}
