/** A way to a peer as people are told of it. */
import { z } from 'zod';
import { timeSchema } from '../../shared/api/route.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import { timeOf } from '../clock.ts';
import type { Path } from './path.ts';

/** `none`: no packet came from the peer; `lan`: over an own network; `relay`: as ciphertext through the host `via`;
 * `tls`: the same within TLS, where UDP is blocked. */
export const pathKindSchema = z.enum(['none', 'lan', 'direct', 'relay', 'tls']);

export const pathViewSchema = z.strictObject({
  path: pathKindSchema,
  /** The relay's name. */
  via: z.string().nullable(),
  /** Since when it has answered without a gap; null where it is known by WireGuard alone. */
  pathSince: timeSchema.nullable(),
  /** Of the last probe, ms. */
  rttMs: z.number().nullable(),
});
export type PathView = z.infer<typeof pathViewSchema>;

export const noPath: PathView = { path: 'none', via: null, pathSince: null, rttMs: null };

/** What WireGuard sends over. `path`: what is known of the endpoint it has. */
export function viewPath(endpoint: Endpoint | null, isHeardFrom: boolean, path: Path | undefined): PathView {
  if (!isHeardFrom || endpoint === null) return noPath;
  if (path === undefined) return { ...noPath, path: 'direct' };
  return {
    path: path.kind,
    via: path.via ?? null,
    pathSince: path.provenSince === undefined ? null : timeOf(path.provenSince),
    rttMs: Number.isFinite(path.rttMs) ? path.rttMs : null,
  };
}
