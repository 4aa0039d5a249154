import { digestOf } from '../plan/digest.ts';

/** A locally administered address that the same link of the same host gets each time it is made. */
export function stableMac(mark: string, name: string): string {
  const hex = digestOf(`${mark} ${name}`).slice(0, 10);
  return ['02', ...(hex.match(/../g) ?? [])].join(':');
}
