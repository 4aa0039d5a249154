/**
 * Asks the host's own name servers what is not of the mesh. Each question has a socket, a port and an id of its own, and
 * only an answer from that server to that question counts (RFC 5452). A server that fails or is silent gives way to the
 * next. Nothing is kept: the host's servers do that.
 */
import { randomInt } from 'node:crypto';
import { type Socket, createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { decode } from './answer.ts';

export interface Upstream {
  /** The reply with the asker's id; undefined where no server gave one. */
  ask(query: Buffer, servers: readonly string[], isTcp: boolean): Promise<Buffer | undefined>;
}

const timeoutMs = 2_000;
/** SERVFAIL, NOTIMP, REFUSED: another server may know better. */
const failing: ReadonlySet<number> = new Set([2, 4, 5]);

export function createUpstream(port = 53): Upstream {
  return {
    ask: async (query, servers, isTcp) => {
      let last: Buffer | undefined;
      for (const server of servers.slice(0, 3)) {
        const sent = Buffer.from(query);
        sent.writeUInt16BE(randomInt(65_536), 0);
        const reply = await (isTcp ? askTcp(sent, server, port) : askUdp(sent, server, port));
        if (reply === undefined) continue;
        query.copy(reply, 0, 0, 2);
        last = reply;
        if (!failing.has((reply[3] ?? 0) & 0xf)) return reply;
      }
      return last;
    },
  };
}

function askUdp(query: Buffer, server: string, port: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket: Socket = createSocket(server.includes(':') ? 'udp6' : 'udp4');
    const end = (reply: Buffer | undefined): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on('error', () => undefined);
      socket.close();
      resolve(reply);
    };
    const timer = setTimeout(() => end(undefined), timeoutMs);
    socket.on('error', () => end(undefined));
    socket.on('message', (reply) => {
      if (isReplyTo(reply, query)) end(reply);
    });
    // Connected: the kernel takes packets of this server alone, and its refusals are heard.
    // What cannot be reached at all is told here, not by the event.
    socket.connect(port, server, (error?: Error) => (error === undefined ? socket.send(query) : end(undefined)));
  });
}

function askTcp(query: Buffer, server: string, port: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: server, port });
    let got = Buffer.alloc(0);
    const end = (reply: Buffer | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reply);
    };
    const timer = setTimeout(() => end(undefined), timeoutMs);
    socket.on('error', () => end(undefined));
    socket.on('close', () => end(undefined));
    socket.on('connect', () => socket.write(framed(query)));
    socket.on('data', (chunk) => {
      got = Buffer.concat([got, chunk]);
      if (got.length < 2 || got.length < 2 + got.readUInt16BE(0)) return;
      const reply = got.subarray(2, 2 + got.readUInt16BE(0));
      end(isReplyTo(reply, query) ? reply : undefined);
    });
  });
}

/** Over TCP a message has its length before it (RFC 1035 section 4.2.2). */
export function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(message.length);
  return Buffer.concat([head, message]);
}

function isReplyTo(reply: Buffer, query: Buffer): boolean {
  if (reply.length < 12 || ((reply[2] ?? 0) & 0x80) === 0 || !reply.subarray(0, 2).equals(query.subarray(0, 2)))
    return false;
  const [asked] = decode(query)?.questions ?? [];
  const [answered] = decode(reply)?.questions ?? [];
  return (
    asked !== undefined && asked.type === answered?.type && asked.name.toLowerCase() === answered.name.toLowerCase()
  );
}
