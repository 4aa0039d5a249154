/** Downloads between containers that go on while something happens to the path, and are checked to the last byte. */
import { join } from 'node:path';
import { root } from './lab-config.ts';
import type { LabContainer } from './lab-container.ts';
import { inside } from './namespace.ts';
import { startProcess } from './process.ts';
import { until } from './wait.ts';

export interface Downloaded {
  readonly bytes: number;
  /** True where every byte is the one that was sent. */
  readonly isWhole: boolean;
  /** The longest time without a byte, seconds. */
  readonly silence: number;
}

const script = join(root, 'test/support/download.py');
/** Of 32 KiB each, with a pause in between: three seconds at least. */
const chunks = '300';
const pauseSeconds = '0.01';

/** Serves downloads until the lab ends. */
export async function serveDownloads(from: LabContainer): Promise<void> {
  const argv = inside(from.namespace, ['python3', script, 'serve', chunks, pauseSeconds]);
  const server = startProcess(argv, { logFile: join(from.host.dir, 'serve.log') });
  await until('downloads are served', { seconds: 20 }, () => server.output().includes('ready'));
}

/** Begins a download, does `during` while it runs, and answers when it has ended. */
export async function download(
  to: LabContainer,
  from: LabContainer,
  during: () => Promise<void> = () => Promise.resolve(),
): Promise<Downloaded> {
  const logFile = join(to.host.dir, `fetch-${Math.random().toString(36).slice(2)}.log`);
  const argv = inside(to.namespace, ['python3', script, 'fetch', from.addresses[0] ?? '', chunks]);
  const client = startProcess(argv, { logFile });
  await until('the download begins', { seconds: 20, everyMilliseconds: 10 }, () => client.output().includes('began'));
  await during();
  const last = await until('the download ends', { seconds: 90 }, () => {
    if (!client.isRunning() && !client.output().includes('{')) return client.output();
    return /\{.*\}/.exec(client.output())?.[0];
  });
  return JSON.parse(last) as Downloaded;
}
