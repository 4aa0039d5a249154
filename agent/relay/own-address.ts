/** Which of this host's addresses the kernel would send from: what the one who is sent to knows this host by. */
import { createSocket } from 'node:dgram';
import { type Address, isAddress } from '../../shared/net/address.ts';
import { type Endpoint, splitEndpoint } from '../../shared/net/endpoint.ts';

/** Sends nothing. Undefined where there is no way there now. */
export function ownAddressTo(target: Endpoint): Promise<Address | undefined> {
  const { address, port } = splitEndpoint(target);
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  return new Promise((resolve) => {
    const end = (found: string | undefined): void => {
      socket.close();
      resolve(found !== undefined && isAddress(found) ? found : undefined);
    };
    socket.once('error', () => end(undefined));
    // Handed the error, too, though the types know nothing of it.
    const connected = (error?: Error): void => end(error instanceof Error ? undefined : socket.address().address);
    socket.connect(port, address, connected);
  });
}
