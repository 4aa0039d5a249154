/**
 * What can go wrong, named. Every error a person or a program may meet has one stable, kebab-case code here; the
 * message says which thing failed, why, and what to do. `docs/errors.md` explains each code; a test holds both equal.
 */

export interface ErrorKind {
  /** HTTP status the server answers with. */
  readonly status: number;
  /** Short human title (RFC 9457 `title`), the same for every occurrence. */
  readonly title: string;
}

export const errorKinds = {
  'request-invalid': { status: 400, title: 'The request does not match its schema' },
  'address-invalid': { status: 400, title: 'Not a canonical IP address' },
  'cidr-invalid': { status: 400, title: 'Not a canonical CIDR prefix' },
  'endpoint-invalid': { status: 400, title: 'Not a canonical ip:port endpoint' },
  'name-invalid': { status: 400, title: 'Not a valid name' },
  'public-key-invalid': { status: 400, title: 'Not a usable WireGuard public key' },
  'token-invalid': { status: 401, title: 'The enrollment token is not valid' },
  'csr-invalid': { status: 400, title: 'The certificate request is not acceptable' },
  'lock-refused': { status: 422, title: 'The signed log of the lock does not allow this' },
  'prefix-refused': { status: 422, title: 'The prefix may not be used here' },
  'config-invalid': { status: 400, title: 'The configuration is not valid' },
  'usage-invalid': { status: 400, title: 'The command line is not valid' },
  unauthenticated: { status: 401, title: 'Credentials are missing or not valid' },
  'certificate-invalid': { status: 401, title: 'The client certificate is not accepted' },
  forbidden: { status: 403, title: 'These credentials do not allow this' },
  'host-pending': { status: 403, title: 'The host waits for approval' },
  'host-disabled': { status: 403, title: 'The host is disabled' },
  'host-removed': { status: 410, title: 'The host was removed from the mesh' },
  'not-found': { status: 404, title: 'No such thing' },
  'method-not-allowed': { status: 405, title: 'The method is not allowed here' },
  conflict: { status: 409, title: 'This conflicts with what is already there' },
  'name-taken': { status: 409, title: 'The name is already taken' },
  'public-key-taken': { status: 409, title: 'The key belongs to another host' },
  'prefix-overlaps': { status: 409, title: 'The prefix overlaps one that is already used' },
  'pool-exhausted': { status: 507, title: 'The address pool has no free prefix' },
  'version-mismatch': { status: 412, title: 'The thing changed since you read it' },
  'precondition-required': { status: 428, title: 'If-Match is required here' },
  'idempotency-mismatch': { status: 422, title: 'The idempotency key was used for another request' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'request-timeout': { status: 408, title: 'The request came too slowly' },
  'headers-too-large': { status: 431, title: 'The header fields are too large' },
  'media-type-unsupported': { status: 415, title: 'The content type is not supported' },
  'rate-limited': { status: 429, title: 'Too many attempts' },
  'protocol-unsupported': { status: 426, title: 'The protocol version is not supported' },
  'store-full': { status: 507, title: 'The store has no space left' },
  'store-corrupt': { status: 500, title: 'The database is damaged' },
  'store-newer': { status: 500, title: 'The database was written by a newer version' },
  draining: { status: 503, title: 'The server is stopping' },
  unreachable: { status: 503, title: 'The other side cannot be reached' },
  timeout: { status: 504, title: 'It took too long' },
  'server-untrusted': { status: 502, title: 'The server is not the one that was pinned' },
  'not-enrolled': { status: 409, title: 'This machine is not enrolled' },
  'already-enrolled': { status: 409, title: 'This machine is already enrolled' },
  'agent-not-running': { status: 503, title: 'No agent is running for this instance' },
  'agent-running': { status: 409, title: 'An agent is already running for this instance' },
  'program-missing': { status: 500, title: 'A program that Warren needs is missing' },
  'privilege-missing': { status: 500, title: 'A privilege that Warren needs is missing' },
  'command-failed': { status: 500, title: 'An external command failed' },
  'backend-unavailable': { status: 500, title: 'No WireGuard backend works on this machine' },
  'state-corrupt': { status: 500, title: 'Saved state is damaged' },
  'attachment-target-missing': { status: 404, title: 'The container or namespace does not exist' },
  'attachment-conflict': { status: 409, title: 'The attachment conflicts with another' },
  'addresses-exhausted': { status: 507, title: 'The lease has no free address' },
  'no-lease': { status: 409, title: 'This host has no container subnet yet' },
  internal: { status: 500, title: 'Something unexpected happened' },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorKinds;

export class WarrenError extends Error {
  readonly code: ErrorCode;
  /** The input field the error is about, as a JSON-pointer-like path, where there is one. */
  readonly field: string | undefined;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; field?: string | undefined } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'WarrenError';
    this.code = code;
    this.field = options.field;
  }

  get status(): number {
    return errorKinds[this.code].status;
  }
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorKinds, text);
}

export function asWarrenError(error: unknown): WarrenError {
  if (error instanceof WarrenError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new WarrenError('internal', message, { cause: error });
}
