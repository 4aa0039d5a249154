// A name server for tests, run inside a namespace: example.org has an address, fail.example.org fails. UDP alone.
import { createSocket } from 'node:dgram';
import packet from 'dns-packet';

const socket = createSocket('udp4');
socket.on('message', (bytes, { port, address }) => {
  const query = packet.decode(bytes);
  const [question] = query.questions;
  const isFailing = question.name.toLowerCase().startsWith('fail.');
  const answers =
    !isFailing && question.type === 'A' ? [{ type: 'A', name: question.name, ttl: 60, data: '192.0.2.80' }] : [];
  const flags = packet.RECURSION_AVAILABLE | (isFailing ? 2 : 0);
  socket.send(
    packet.encode({ type: 'response', id: query.id, flags, questions: query.questions, answers }),
    port,
    address,
  );
});
socket.bind(53, process.argv[2]);
