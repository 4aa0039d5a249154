/** Waits before or instead of attaching: for a target that is still to come, or inside a container for its interface. */
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { WarrenError } from '../../shared/errors.ts';
import { parseInterfaceName } from '../../shared/names.ts';
import { type AttachOptions, interfaceOf } from './attach-options.ts';

/** Until `attach` no longer finds the target missing, or for so many seconds; `true`: for ever. */
export async function waitForTarget<T>(wait: number | true | undefined, attach: () => Promise<T>): Promise<T> {
  const isOver = deadline(wait ?? 0);
  for (;;) {
    try {
      return await attach();
    } catch (error) {
      const isMissing = error instanceof WarrenError && error.code === 'attachment-target-missing';
      if (!isMissing || isOver()) throw error;
    }
    await pause(250);
  }
}

/** pipework's `--wait`: needs no agent, and nothing but the container's own /sys. Throws `timeout`. */
export async function waitForCarrier(options: AttachOptions): Promise<{ interface: string }> {
  if (options.wait === undefined) {
    throw new WarrenError('usage-invalid', 'name a target, for example netns:web; or --wait inside a container', {
      field: 'target',
    });
  }
  const name = interfaceOf(options) ?? parseInterfaceName('eth1');
  const isOver = deadline(options.wait);
  while (!(await hasCarrier(name))) {
    if (isOver()) throw new WarrenError('timeout', `${name} did not come up within ${options.wait} s`);
    await pause(100);
  }
  return { interface: name };
}

function deadline(seconds: number | true): () => boolean {
  const end = seconds === true ? Infinity : Date.now() + seconds * 1000;
  return () => Date.now() >= end;
}

/** The kernel refuses to say so of a link that is down. */
async function hasCarrier(name: string): Promise<boolean> {
  try {
    return (await readFile(`/sys/class/net/${name}/carrier`, 'utf8')).trim() === '1';
  } catch {
    return false;
  }
}
