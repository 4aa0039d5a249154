/**
 * How many streams may be in the middle of a full map at once. A whole fleet that comes for full maps would otherwise
 * have a copy of the map each in its socket's buffer, gigabytes of them; so they take turns, in the order they came.
 */
export interface Gate {
  /** Resolves when it is the caller's turn; it must call what it is answered, once. */
  enter(): Promise<() => void>;
}

export function createGate(limit: number): Gate {
  const waiting: (() => void)[] = [];
  let inside = 0;
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) inside -= 1;
    else next();
  };
  const ticket = (): (() => void) => {
    let isUsed = false;
    return () => {
      if (!isUsed) leave();
      isUsed = true;
    };
  };
  return {
    async enter() {
      if (inside < limit) inside += 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      return ticket();
    },
  };
}
