/** This host's stream to one relay: tried at each of its addresses in turn, and again for as long as it is wanted. */
import { type TLSSocket, connect } from 'node:tls';
import type { HostId } from '../../shared/names.ts';
import { type Address } from '../../shared/net/address.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Credentials } from '../state.ts';
import { alpn, hostAt, tlsContext } from './credentials.ts';
import type { Frame } from './frame.ts';
import { type Link, openLink } from './link.ts';

export interface Dialer {
  /** While it stands. */
  link(): Link | undefined;
  stop(): void;
}

export interface DialerOptions {
  readonly clock: Clock;
  readonly credentials: () => Promise<Credentials>;
  readonly relay: HostId;
  /** Asked before each try. */
  readonly places: () => readonly Place[];
  readonly onFrame: (frame: Frame) => void;
  readonly onChange: () => void;
}

export interface Place {
  readonly address: Address;
  readonly port: number;
}

const connectMs = 4_000;
const firstPauseMs = 500;
/** A relay that starts again is found within seconds, and one that is away costs little. */
const longestPauseMs = 15_000;

export function startDialer(options: DialerOptions): Dialer {
  const { clock, relay, onFrame, onChange } = options;
  let link: Link | undefined;
  let socket: TLSSocket | undefined;
  let timer: Timer | undefined;
  let tries = 0;
  let isStopped = false;

  const later = (): void => {
    if (isStopped) return;
    const places = options.places().length;
    const round = Math.floor(tries / Math.max(1, places));
    const isNextPlace = places > 0 && tries % places !== 0;
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(round, 8)) * (0.5 + 0.5 * clock.random());
    timer?.cancel();
    timer = clock.after(isNextPlace ? 0 : pauseMs, () => void dial());
  };
  const dial = async (): Promise<void> => {
    const places = options.places();
    const place = places[tries % Math.max(1, places.length)];
    tries += 1;
    const own = await options.credentials().catch(() => undefined);
    if (isStopped) return;
    if (place === undefined || own === undefined) return later();
    // The certificate is judged below: it is a host's, not a server's.
    const tls = connect({
      ...tlsContext(own),
      ALPNProtocols: [alpn],
      host: place.address,
      port: place.port,
      rejectUnauthorized: false,
    });
    socket = tls;
    tls.setNoDelay(true);
    const deadline = clock.after(connectMs, () => tls.destroy());
    tls.once('close', () => {
      deadline.cancel();
      if (link === undefined) later();
    });
    tls.on('error', () => undefined);
    tls.once('secureConnect', () => {
      deadline.cancel();
      if (hostAt(tls, own, clock.now())?.id !== relay) return void tls.destroy();
      const made = openLink(tls, clock, {
        onFrame,
        onClose: () => {
          link = undefined;
          onChange();
          later();
        },
      });
      // A relay that does not know this host ends the stream without a word.
      tls.once('data', () => {
        link = made;
        tries = 0;
        onChange();
      });
    });
  };
  void dial();
  return {
    link: () => link,
    stop: () => {
      isStopped = true;
      timer?.cancel();
      link?.close();
      socket?.destroy();
    },
  };
}
