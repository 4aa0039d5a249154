/**
 * Keeps the host's certificate valid and its WireGuard key new. A new key is written down before the server hears of it
 * and takes the old one's place after the server has agreed, so a crash in between is mended by doing it again.
 */
import { X509Certificate } from 'node:crypto';
import type { Logger } from 'pino';
import { type WarrenError, asWarrenError } from '../shared/errors.ts';
import type { HostRecord } from '../shared/network-map.ts';
import type { Clock, Timer } from './clock.ts';
import { makeCsr } from './identity.ts';
import type { State } from './state.ts';
import type { ServerLink } from './transport.ts';

export interface RenewalOptions {
  readonly link: ServerLink;
  readonly clock: Clock;
  readonly log: Logger;
  readonly state: State;
  /** Stands in the request's subject, for people. */
  readonly name: string;
  /** A new WireGuard key is in its file. */
  readonly onNewKey: () => Promise<void>;
  /** A new certificate is in its file. */
  readonly onNewCertificate: () => void;
}

export interface Renewal {
  /** When the certificate ends, milliseconds; undefined before the first look. */
  expiresAt(): number | undefined;
  /** The server found the certificate wanting: try to renew now, at most once a minute. */
  renewSoon(): void;
  /** The server asks for a new WireGuard key. */
  rotate(): void;
  /** The map names this host's key: finishes a rotation whose answer was lost. */
  noticeSelf(self: HostRecord): void;
  stop(): Promise<void>;
}

const checkMs = 10 * 60_000;
const retryMs = 60_000;

async function after(turn: Promise<void>, fn: () => Promise<void>): Promise<void> {
  await turn;
  await fn();
}

export function startRenewal(options: RenewalOptions): Renewal {
  const { link, clock, log, state } = options;
  let expiresAt: number | undefined;
  let renewAt: number | undefined;
  let lastTryAt = -Infinity;
  let timer: Timer | undefined;
  let isStopped = false;
  let isRotating = false;
  let turn: Promise<void> = Promise.resolve();

  const readTimes = async (): Promise<void> => {
    const certificate = new X509Certificate((await state.readCredentials()).certificate);
    const from = Date.parse(certificate.validFrom);
    expiresAt = Date.parse(certificate.validTo);
    // Two thirds of its life, and up to a twelfth earlier, so that hosts enrolled together do not renew together.
    renewAt = from + (expiresAt - from) * (2 / 3 - clock.random() / 12);
  };
  /** The server has a new CA since. */
  const isOfFormerCa = async (): Promise<boolean> => {
    const { certificate, ca } = await state.readCredentials();
    return !new X509Certificate(certificate).verify(new X509Certificate(ca).publicKey);
  };
  const renew = async (): Promise<void> => {
    lastTryAt = clock.now();
    const keys = (await state.nextWireguardKeys()) ?? (await state.wireguardKeys());
    const csr = await makeCsr(await state.identityKey(), options.name);
    const reply = await link.renew({ csr, publicKey: keys.publicKey });
    await state.writeCertificate(reply.certificate);
    await promote(keys.publicKey);
    await readTimes();
    link.refresh();
    log.info({ expiresAt: reply.expiresAt }, 'certificate renewed');
    options.onNewCertificate();
  };
  const rotate = async (): Promise<void> => {
    if ((await state.nextWireguardKeys()) === undefined) await state.makeNextWireguardKeys();
    await renew();
  };
  const promote = async (publicKey: string): Promise<void> => {
    const next = await state.nextWireguardKeys();
    if (next?.publicKey !== publicKey) return;
    await state.promoteWireguardKeys();
    log.info('wireguard key replaced');
    await options.onNewKey();
  };
  /** One thing at a time; a failure is told and tried again later. */
  const inTurn = (what: string, fn: () => Promise<void>): void => {
    turn = after(turn, async () => {
      if (isStopped) return;
      try {
        await fn();
      } catch (error) {
        const { message, code }: WarrenError = asWarrenError(error);
        log.warn({ why: message, code }, `${what} failed, will be tried again`);
        check(retryMs);
      }
    });
  };
  const check = (ms: number): void => {
    if (isStopped) return;
    timer?.cancel();
    timer = clock.after(ms, () => {
      inTurn('certificate renewal', async () => {
        const isKeyWaiting = (await state.nextWireguardKeys()) !== undefined;
        const isDue = renewAt === undefined || clock.now() >= renewAt;
        if (isDue || isKeyWaiting || (await isOfFormerCa())) await renew();
      });
      check(checkMs);
    });
  };
  inTurn('reading the certificate', readTimes);
  check(1000 + clock.random() * 5000);
  return {
    expiresAt: () => expiresAt,
    renewSoon: () => {
      if (clock.now() - lastTryAt < retryMs) return;
      lastTryAt = clock.now();
      inTurn('certificate renewal', renew);
    },
    rotate: () => {
      // The server repeats itself on every connection until it has the new key.
      if (isRotating) return;
      isRotating = true;
      inTurn('key rotation', () => rotate().finally(() => (isRotating = false)));
    },
    noticeSelf: (self) => inTurn('key rotation', () => promote(self.publicKey)),
    stop: async () => {
      isStopped = true;
      timer?.cancel();
      await turn;
    },
  };
}
