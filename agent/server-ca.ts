/**
 * Which CA an agent believes: the one whose key its token pins, or the one that follows the CA it has believed so far. A
 * successor proves itself by a certificate for its key that the former one signed, so nobody has to be asked. What
 * the server shows is only looked at here; the calls themselves trust exactly one CA (`https.ts`).
 */
import { X509Certificate, createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { type DetailedPeerCertificate, connect } from 'node:tls';
import { WarrenError } from '../shared/errors.ts';
import { answerMs, explain, hasServerUri, hostOf, serverUri, tooSlow } from './https.ts';
import type { State } from './state.ts';

export interface PinnedCa {
  readonly pem: string;
  readonly pin: string;
  /** Pins of this CA and of those it succeeded, as far as the server shows them. */
  readonly lineage: readonly string[];
}

/**
 * Connects without trust, only to see which certificates the server shows. Answers the CA that signed the server's own
 * and whose public key, or that of a CA it succeeded, has the pinned hash. Throws `server-untrusted`.
 */
export async function fetchPinnedCa(serverUrl: string, caPin: string): Promise<PinnedCa> {
  const [leaf, ...rest] = await fetchChain(serverUrl);
  const pinned = rest.find((one) => isAuthority(one) && pinOf(one) === caPin);
  if (leaf === undefined || pinned === undefined) {
    throw untrusted(serverUrl, "its CA's key is not the one in the token; ask for a new token of this mesh");
  }
  const ca = successorOf(pinned, leaf, rest);
  if (ca === undefined) throw untrusted(serverUrl, 'the pinned CA did not sign its certificate');
  if (!hasServerUri(leaf.subjectAltName)) throw untrusted(serverUrl, `its certificate does not carry ${serverUri}`);
  const lineage = rest.filter((one) => isAuthority(one) && successorOf(one, leaf, rest) === ca).map(pinOf);
  return { pem: ca.toString(), pin: pinOf(ca), lineage };
}

/** The CA that follows `caPem` and signed what the server shows now; undefined where there is none, or it is the same. */
export async function fetchSuccessor(serverUrl: string, caPem: string): Promise<string | undefined> {
  const [leaf, ...rest] = await fetchChain(serverUrl);
  if (leaf === undefined || !hasServerUri(leaf.subjectAltName)) return undefined;
  const before = new X509Certificate(caPem);
  const ca = successorOf(before, leaf, rest);
  return ca === undefined || pinOf(ca) === pinOf(before) ? undefined : ca.toString();
}

/** The CA that signed `leaf`, reached from `from` by proofs alone. */
export function successorOf(
  from: X509Certificate,
  leaf: X509Certificate,
  shown: readonly X509Certificate[],
): X509Certificate | undefined {
  let ca = from;
  for (let step = 0; step <= shown.length; step += 1) {
    if (isSignedBy(leaf, ca)) return ca;
    const next = shown.find((one) => isAuthority(one) && pinOf(one) !== pinOf(ca) && isProven(one, ca, shown));
    if (next === undefined) return undefined;
    ca = next;
  }
  return undefined;
}

const isProven = (next: X509Certificate, by: X509Certificate, shown: readonly X509Certificate[]): boolean =>
  shown.some((proof) => proof.ca && isSignedBy(proof, by) && pinOf(proof) === pinOf(next));

/** Signed by itself: a CA, not a proof for one. */
const isAuthority = (one: X509Certificate): boolean => one.ca && isSignedBy(one, one);

const isSignedBy = (one: X509Certificate, by: X509Certificate): boolean =>
  one.checkIssued(by) && one.verify(by.publicKey);

/** What the next start believes. A crash in between leaves the CA without its pin, which only a new token asks for. */
export async function keepCa(state: Pick<State, 'writeCa' | 'readHost' | 'writeHost'>, pem: string): Promise<void> {
  await state.writeCa(pem);
  const host = await state.readHost();
  if (host !== undefined) await state.writeHost({ ...host, caPin: pinOf(new X509Certificate(pem)) });
}

function fetchChain(serverUrl: string): Promise<X509Certificate[]> {
  const { hostname, port } = hostOf(serverUrl);
  return new Promise((resolve, reject) => {
    const name = isIP(hostname) === 0 ? { servername: hostname } : {};
    const options = { host: hostname, port, rejectUnauthorized: false, minVersion: 'TLSv1.3', ...name } as const;
    const socket = connect(options, () => {
      resolve(certificatesOf(socket.getPeerCertificate(true)));
      socket.destroy();
    });
    socket.setTimeout(answerMs, () => socket.destroy(tooSlow(serverUrl)));
    socket.on('error', (error) => reject(explain(error, serverUrl)));
    socket.on('close', () => reject(new WarrenError('unreachable', `${serverUrl} closed the connection`)));
  });
}

/** A server's own, its CA, and two for each one that this succeeded. */
const maxShown = 10;

function certificatesOf(peer: DetailedPeerCertificate): X509Certificate[] {
  const found: X509Certificate[] = [];
  for (let one: DetailedPeerCertificate | undefined = peer; one?.raw !== undefined && found.length < maxShown;) {
    found.push(new X509Certificate(one.raw));
    const issuer: DetailedPeerCertificate | undefined = one.issuerCertificate;
    one = issuer === one ? undefined : issuer;
  }
  return found;
}

function pinOf(certificate: X509Certificate): string {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('base64');
}

const untrusted = (serverUrl: string, why: string): WarrenError =>
  new WarrenError('server-untrusted', `${serverUrl} is not the server that was pinned: ${why}`);
