/** A real group member and a real sender of UDP multicast or broadcast, as python3 has them, inside a namespace. */
import { inside, runInside } from './namespace.ts';
import { type Running, startProcess } from './process.ts';
import { until } from './wait.ts';

const listener = `
import socket, struct, sys
group, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', port))
if group != '-':
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(address))
print('listens', flush=True)
while True:
    data, source = s.recvfrom(2000)
    print(source[0], data.decode(), flush=True)
`;

const sender = `
import socket, sys
target, address, port, text = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
s.bind((address, 0))
s.sendto(text.encode(), (target, port))
`;

/** `group` undefined: only what is sent to the port, broadcast as well. Prints `SOURCE TEXT` per datagram. */
export async function listenForDatagrams(
  namespace: string,
  address: string,
  port: number,
  logFile: string,
  group?: string,
): Promise<Running> {
  const argv = ['python3', '-c', listener, group ?? '-', address, String(port)];
  const running = startProcess(inside(namespace, argv), { logFile });
  await until('the listener listens', { seconds: 10 }, () => running.output().includes('listens'));
  return running;
}

export async function sendDatagram(
  namespace: string,
  from: string,
  target: string,
  port: number,
  text: string,
): Promise<void> {
  await runInside(namespace, ['python3', '-c', sender, target, from, String(port), text]);
}
