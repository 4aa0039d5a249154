/** What must work for a host's containers, whatever firewall runs beside Warren. */
import type { LabContainer } from './lab-container.ts';
import type { LabHost } from './lab-host.ts';
import { until } from './wait.ts';

export interface Pair {
  readonly host: LabHost;
  /** On `host`. */
  readonly ours: LabContainer;
  /** On another one. */
  readonly far: LabContainer;
}

/** Waits until containers reach each other both ways and by both families, the outside and the names. */
export const waitUntilWorks = ({ host, ours, far }: Pair): Promise<boolean> =>
  until('everything works', { seconds: 45 }, async () => {
    const parts = [
      await reaches(far, ours),
      await reaches(ours, far),
      await outsideAnswers(host, ours),
      await namesAnswer(ours),
    ];
    if (parts.includes(false)) throw new Error(`far to ours, ours to far, outside, names: ${parts.join()}`);
    return true;
  });

async function reaches(from: LabContainer, to: LabContainer): Promise<boolean> {
  for (const address of to.addresses) {
    const { exitCode } = await from.run(['ping', '-n', '-c', '1', '-W', '1', address], { okCodes: 'any' });
    if (exitCode !== 0) return false;
  }
  return true;
}

async function outsideAnswers(host: LabHost, ours: LabContainer): Promise<boolean> {
  const { server } = (await host.status()) as { server: { url: string } };
  const connecting = 'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)';
  const argv = ['python3', '-c', connecting, '10.0.0.2', new URL(server.url).port];
  return (await ours.run(argv, { okCodes: 'any' })).exitCode === 0;
}

async function namesAnswer(ours: LabContainer): Promise<boolean> {
  const { stdout: routes } = await ours.run(['ip', '-j', 'route', 'show', 'default']);
  const gateway = (JSON.parse(routes) as { gateway: string }[])[0]?.gateway ?? '';
  const argv = ['dig', '+short', '+time=1', '+tries=1', `@${gateway}`, 'h1.warren.internal', 'A'];
  return (await ours.run(argv, { okCodes: 'any' })).stdout.startsWith('10.86.');
}
