/** Writes hosts as fast as it can and prints each one once it is acknowledged, until it is killed. */
import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { openStore } from '../../../server/store/open.ts';
import { setUpMesh } from '../../../server/store/set-up.ts';
import { addHost, defaults } from './support.ts';

const [file = '', round = '0'] = process.argv.slice(2);
const store = await openStore({ file, clock: Date, random: randomBytes });
await setUpMesh(store, { ...defaults, containerPool: '10.128.0.0/9' as typeof defaults.containerPool });
for (let n = 0; ; n += 1) {
  const id = Number(round) * 100_000 + n;
  const host = await store.transact('server', (tx) => addHost(tx, id));
  writeSync(1, `${host.name} ${store.position().revision}\n`);
}
