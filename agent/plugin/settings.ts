/** Where an instance's drivers are served, and by whom. */
import { basename, join } from 'node:path';
import type { AgentSettings } from '../config.ts';
import type { Place } from './place.ts';

/** Undefined: no drivers are served. */
export function pluginPlace({ pluginSocket, runDir, stateDir }: AgentSettings): Place | undefined {
  if (pluginSocket === undefined) return undefined;
  return { path: pluginSocket, turnPath: join(runDir, 'drivers.turn'), owner: stateDir };
}

/** The engine calls a driver by its socket's name. */
export const driverName = (socketPath: string): string => basename(socketPath, '.sock');
