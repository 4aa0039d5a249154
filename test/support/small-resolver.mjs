// A name server for tests, run inside a namespace: example.org has an address, fail.example.org fails, rebind.example.org
// claims one of the mesh's. UDP alone. With a second argument it hands everything on to that server instead.
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import packet from 'dns-packet';

const [, , address, next] = process.argv;
const socket = createSocket('udp4');
socket.on('message', (bytes, from) => (next === undefined ? answer(bytes, from) : handOn(bytes, from)));
socket.bind(53, address, () => process.stdout.write('listens\n'));

function answer(bytes, from) {
  const query = packet.decode(bytes);
  const [question] = query.questions;
  const [first] = question.name.toLowerCase().split('.');
  const data = first === 'rebind' ? '10.210.0.5' : '192.0.2.80';
  const hasAnswer = first !== 'fail' && question.type === 'A';
  const answers = hasAnswer ? [{ type: 'A', name: question.name, ttl: 60, data }] : [];
  const flags = packet.RECURSION_AVAILABLE | (first === 'fail' ? 2 : 0);
  socket.send(
    packet.encode({ type: 'response', id: query.id, flags, questions: query.questions, answers }),
    from.port,
    from.address,
  );
}

/** As forwarders do: a socket and a number of its own for each question. */
function handOn(bytes, from) {
  process.stdout.write('handed on\n');
  const out = createSocket('udp4');
  const query = Buffer.from(bytes);
  query.writeUInt16BE(randomInt(65_536), 0);
  out.on('message', (reply) => {
    out.close();
    bytes.copy(reply, 0, 0, 2);
    socket.send(reply, from.port, from.address);
  });
  out.send(query, 53, next);
}
