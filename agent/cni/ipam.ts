/**
 * The IPAM plugin that a network configuration names (CNI specification, section 4): called with the same environment
 * and configuration, before the interface is made and after it is gone. Without one the agent chooses addresses.
 */
import { join } from 'node:path';
import { z } from 'zod';
import type { Argv, System } from '../system/run.ts';
import { CniError, cniCodes } from './error.ts';
import type { CniRequest } from './request.ts';
import { type CniResult, parseResult } from './result.ts';

export interface Delegate {
  add(): Promise<CniResult>;
  remove(): Promise<void>;
  check(): Promise<void>;
  collect(): Promise<void>;
}

const errorSchema = z.object({ code: z.int(), msg: z.string().default(''), details: z.string().default('') });

/** Undefined where the configuration names none. */
export function delegateIpam(request: CniRequest, system: System): Delegate | undefined {
  const { config, input, path } = request;
  const type = config.ipam?.type;
  if (type === undefined) return undefined;
  const call = async (command: string): Promise<unknown> => {
    const program = await find(system, path, type);
    const argv: Argv = ['env', `CNI_COMMAND=${command}`, program];
    const { stdout, exitCode } = await system.run({ argv, input, okCodes: anyCode, timeoutMs: 60_000 });
    const reply = parseJson(stdout);
    if (exitCode === 0) return reply;
    const error = errorSchema.safeParse(reply);
    if (!error.success)
      throw new CniError(cniCodes.failed, `the ipam plugin ${type} ended with ${exitCode}`, stdout.slice(0, 500));
    throw new CniError(error.data.code, `${type}: ${error.data.msg}`, error.data.details);
  };
  return {
    add: async () => parseResult(await call('ADD'), config.cniVersion),
    remove: async () => void (await call('DEL')),
    check: async () => void (await call('CHECK')),
    collect: async () => void (await call('GC')),
  };
}

const anyCode = Array.from({ length: 256 }, (_, code) => code);

async function find(system: System, path: readonly string[], type: string): Promise<string> {
  for (const folder of path) {
    const program = join(folder, type);
    if (await system.fileExists(program)) return program;
  }
  throw new CniError(cniCodes.configInvalid, `the ipam plugin ${type} is in none of ${path.join(', ') || 'CNI_PATH'}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
