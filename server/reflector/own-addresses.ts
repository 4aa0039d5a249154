/** The addresses of this machine that somebody else may ask at. */
import { networkInterfaces } from 'node:os';

/** Each takes a file descriptor; a machine with more has them for containers. */
const most = 64;

export function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, scopeid }) => !internal && (scopeid ?? 0) === 0)
    .map(({ address }) => address)
    .slice(0, most);
}
