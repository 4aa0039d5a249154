/** Runs the server in the foreground until a signal ends it. */
import type { ServerConfig } from '../../server/config.ts';
import { start } from '../../server/main.ts';
import type { Output } from '../output.ts';

export async function runServer(config: ServerConfig, output: Output): Promise<void> {
  // Asked for before anything is opened: who is told to end while starting still closes what it opened.
  const ending = nextSignal();
  const server = await start(config);
  if (server.firstKey !== undefined) {
    const key = server.firstKey.reveal();
    output.data({ adminKey: key }, () => `admin key: ${key}`);
  }
  await ending;
  // Whoever asks twice does not want to wait.
  void nextSignal().then(() => process.exit(1));
  await server.stop();
  process.exit(0);
}

function nextSignal(): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      process.off('SIGTERM', done);
      process.off('SIGINT', done);
      resolve();
    };
    process.on('SIGTERM', done);
    process.on('SIGINT', done);
  });
}
