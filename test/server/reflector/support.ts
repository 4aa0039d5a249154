/** Somebody who asks a reflector, over a real socket. */
import { type Socket, createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { TestContext } from 'node:test';

export function makeAsk(transaction: Buffer): Buffer {
  return Buffer.concat([Buffer.from('WRR1\x01\0\0\0', 'latin1'), transaction, Buffer.alloc(48)]);
}

export interface Asker {
  readonly port: number;
  /** What came back so far, and from where. */
  readonly answers: { readonly bytes: Buffer; readonly from: string }[];
  send(bytes: Buffer, to: { address: string; port: number }): Promise<void>;
}

export async function openAsker(t: TestContext, address = '127.0.0.1'): Promise<Asker> {
  const socket: Socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const answers: Asker['answers'] = [];
  socket.on('message', (bytes, from) => answers.push({ bytes, from: `${from.address} ${from.port}` }));
  socket.bind({ address, port: 0 });
  await once(socket, 'listening');
  t.after(() => socket.close());
  return {
    port: socket.address().port,
    answers,
    send: (bytes, to) =>
      new Promise((resolve, reject) => {
        socket.send(bytes, to.port, to.address, (error) => (error === null ? resolve() : reject(error)));
      }),
  };
}
