/** postject ships no types; this is what the build uses of it. */
declare module 'postject' {
  export function inject(
    executable: string,
    resourceName: string,
    resource: Buffer,
    options: { sentinelFuse: string },
  ): Promise<void>;
}
