/** Is the server there, and do both clocks agree? Pure. */
import type { Check } from './check.ts';
import { fail, ok, warn } from './check.ts';
import type { NetFacts } from './facts.ts';
import type { ServerLook } from './server-look.ts';

export interface ClockOffset {
  /** The server's clock less this host's. */
  readonly offsetMs: number;
  readonly errorMs: number;
}

/** A `Date` header is cut to the second, and was written somewhere between question and answer. */
export function offsetOf({ serverTime, sentAt, answeredAt }: ServerLook): ClockOffset | undefined {
  if (serverTime === undefined) return undefined;
  return { offsetMs: serverTime + 500 - (sentAt + answeredAt) / 2, errorMs: 500 + (answeredAt - sentAt) / 2 };
}

export function judgeServer({ serverUrl, server, feed }: NetFacts): Check {
  if (server.kind === 'failed') {
    const { code, message } = server.error;
    const says = `${message} (tunnels do not need it, changes of the mesh do)`;
    if (code === 'server-untrusted')
      return fail('server', {
        says,
        todo: 'see who answers there and whether this host’s clock is right; join again if the mesh was made anew',
      });
    if (/ENOTFOUND|EAI_AGAIN/.test(message))
      return fail('server', { says, todo: `mend DNS: no address is found for ${serverUrl}` });
    return fail('server', {
      says,
      todo: `see whether the server runs and whether a firewall drops TCP to ${serverUrl}`,
    });
  }
  const { look } = server;
  const says = `${serverUrl} answers: TCP ${look.connectMs} ms, TLS ${look.tlsMs} ms, answer ${look.answerMs} ms`;
  if (look.status !== 200)
    return warn('server', {
      says: `${says}, but with status ${look.status}`,
      todo: 'see the log of the server, and of a proxy before it',
    });
  if (feed.kind === 'waiting')
    return warn('server', {
      says: `${says}, but the feed is down: ${feed.error.message}`,
      todo: 'see the reason; the agent tries again by itself',
    });
  return ok('server', { says });
}

/** More than a clock without NTP drifts in a month; certificates are refused from five minutes on. */
const tolerableMs = 2_000;
const harmfulMs = 240_000;

export function judgeClock({ server }: NetFacts): Check {
  if (server.kind === 'failed') {
    const isByClock = /not yet valid|expired/i.test(server.error.message);
    if (isByClock)
      return fail('clock', {
        says: 'the server’s certificate is not valid by this host’s clock',
        todo: 'set the clock, and keep it by NTP',
      });
    return warn('clock', { says: 'not known: the server does not answer' });
  }
  const offset = offsetOf(server.look);
  if (offset === undefined)
    return warn('clock', {
      says: 'not known: the server tells no time',
      todo: 'let the proxy before it pass the Date header',
    });
  const seconds = Math.abs(offset.offsetMs / 1000).toFixed(1);
  const says = `this host’s clock is ${seconds} s ${offset.offsetMs > 0 ? 'behind' : 'ahead of'} the server’s, give or take ${(offset.errorMs / 1000).toFixed(1)} s`;
  const surelyMs = Math.abs(offset.offsetMs) - offset.errorMs;
  const todo = 'keep both clocks by NTP; certificates are refused when they are five minutes apart';
  if (surelyMs >= harmfulMs) return fail('clock', { says, todo });
  return surelyMs > tolerableMs ? warn('clock', { says, todo }) : ok('clock', { says: 'agrees with the server’s' });
}
