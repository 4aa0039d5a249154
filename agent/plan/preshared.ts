/** Preshared keys as the planner knows them: by name. A key itself is never in a plan, a step or an observation. */
declare const brand: unique symbol;
/** 16 hexadecimal digits that tell nothing of the key; may be shown. */
export type PresharedKeyId = string & { readonly [brand]: 'PresharedKeyId' };

export interface PresharedKey {
  readonly id: PresharedKeyId;
  /** That `wg` reads it from. */
  readonly file: string;
}
