/**
 * How a route is written: `read`, `write`, `stream` or `page` binds one declared operation to one handler. A handler
 * sees parsed input and the caller's identity and returns the reply; it never sees fastify, headers or sockets, and
 * never decides who may call: the declaration's `access` does, in `auth.ts`.
 */
import type { Readable } from 'node:stream';
import type { z } from 'zod';
import type { Operation } from '../../shared/api/route.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { Scope } from '../../shared/api/keys.ts';
import type { HostId } from '../../shared/names.ts';
import type { Address } from '../../shared/net/address.ts';
import type { Deps } from '../deps.ts';
import type { Tx } from '../store/open.ts';

export interface AnonymousPrincipal {
  readonly kind: 'anonymous';
  readonly actor: 'anonymous';
}

export interface KeyPrincipal {
  readonly kind: 'key';
  readonly id: string;
  readonly scope: Scope;
  readonly actor: `key:${string}`;
}

export interface HostPrincipal {
  readonly kind: 'host';
  readonly id: HostId;
  /** Serial number of the client certificate, lower-case hex. */
  readonly serial: string;
  /** Milliseconds since 1970. */
  readonly certificateExpiresAt: number;
  readonly actor: `host:${string}`;
}

export type Principal = AnonymousPrincipal | KeyPrincipal | HostPrincipal;

export interface ReadContext<Op extends Operation = Operation> {
  readonly deps: Deps;
  readonly principal: Principal;
  readonly params: z.output<Op['params']>;
  readonly query: z.output<Op['query']>;
  readonly body: z.output<Op['body']>;
  readonly requestId: string;
  /** The socket's other end, IPv4-mapped addresses unwrapped. */
  readonly remoteAddress: Address;
  /** The version the caller read, where the operation is conditional and the caller sent `If-Match`. */
  readonly ifMatch: number | undefined;
}

export interface WriteContext<Op extends Operation = Operation> extends ReadContext<Op> {
  readonly tx: Tx;
  /** Runs `fn` once the transaction is durable; never when it rolled back or the reply is a replay. */
  afterCommit(fn: () => void): void;
}

export interface StreamContext<Op extends Operation = Operation> extends ReadContext<Op> {
  /** `Last-Event-ID`, as the client sent it. */
  readonly lastEventId: string | undefined;
}

/** The raw end of a hijacked response. The headers go out with the first write, or when the handler returns. */
export interface StreamSocket {
  /** False when the socket asks to wait; whoever goes on writing watches `bufferedBytes`. */
  write(bytes: Buffer): boolean;
  bufferedBytes(): number;
  /** Resolves when the other side has taken what was written, or the stream is closed. */
  drained(): Promise<void>;
  /** Sends what is buffered, then closes. */
  end(): void;
  destroy(): void;
  /** Called once, whoever closed; at once when it is closed already. */
  onClose(listener: () => void): void;
}

export interface PageReply {
  readonly contentType: string;
  readonly body: string | Buffer | Readable;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A handler of an operation without a reply returns nothing. */
export type ReplyOf<Op extends Operation> = undefined extends z.input<Op['reply']> ? void : z.input<Op['reply']>;

export interface ReadRoute {
  readonly kind: 'read';
  readonly op: Operation;
  readonly handle: (ctx: ReadContext) => Promise<unknown>;
}

export interface WriteRoute {
  readonly kind: 'write';
  readonly op: Operation;
  readonly handle: (ctx: WriteContext) => Promise<unknown>;
}

export interface StreamRoute {
  readonly kind: 'stream';
  readonly op: Operation;
  readonly handle: (ctx: StreamContext, socket: StreamSocket) => void | Promise<void>;
}

/** Serves something that is not JSON: a script, a file, a page for people. Always a GET. */
export interface PageRoute {
  readonly kind: 'page';
  readonly op: Operation;
  readonly handle: (ctx: ReadContext) => Promise<PageReply>;
}

export type Route = ReadRoute | WriteRoute | StreamRoute | PageRoute;

/** The calling host. `access: 'agent'` already made sure that there is one. */
export function hostOf(ctx: { readonly principal: Principal }): HostPrincipal {
  if (ctx.principal.kind === 'host') return ctx.principal;
  throw new WarrenError('internal', 'this operation is declared for agents only');
}

/** Answers without a transaction. Also for agent calls that must not bump the revision. */
export function read<Op extends Operation>(op: Op, handle: (ctx: ReadContext<Op>) => Promise<ReplyOf<Op>>): Route {
  return { kind: 'read', op, handle: handle as unknown as ReadRoute['handle'] };
}

/** Runs in one transaction: idempotency look-up, handler, idempotency row, commit; then the reply goes out. */
export function write<Op extends Operation>(op: Op, handle: (ctx: WriteContext<Op>) => Promise<ReplyOf<Op>>): Route {
  return { kind: 'write', op, handle: handle as unknown as WriteRoute['handle'] };
}

/** A response that stays open. The access check is repeated while it is, and cuts it when it fails. */
export function stream<Op extends Operation>(
  op: Op,
  handle: (ctx: StreamContext<Op>, socket: StreamSocket) => void | Promise<void>,
): Route {
  return { kind: 'stream', op, handle };
}

export function page<Op extends Operation>(op: Op, handle: (ctx: ReadContext<Op>) => Promise<PageReply>): Route {
  return { kind: 'page', op, handle };
}
