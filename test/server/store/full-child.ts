/** Fills a small disk with hosts and prints what the store says when it is full; then what is left. */
import { randomBytes } from 'node:crypto';
import { WarrenError } from '../../../shared/errors.ts';
import { countHosts } from '../../../server/store/hosts.ts';
import { openStore } from '../../../server/store/open.ts';
import { setUpMesh } from '../../../server/store/set-up.ts';
import { addHost, defaults } from './support.ts';

const store = await openStore({ file: process.argv[2] ?? '', clock: Date, random: randomBytes });
await setUpMesh(store, { ...defaults, containerPool: '10.128.0.0/9' as typeof defaults.containerPool });
let acknowledged = 0;
let code = '';
while (code === '') {
  try {
    await store.transact('server', (tx) => addHost(tx, acknowledged, { agentVersion: 'x'.repeat(20_000) }));
    acknowledged += 1;
  } catch (error) {
    code = error instanceof WarrenError ? error.code : String(error);
  }
}
const { active } = await countHosts(store.db);
const { revision } = store.position();
process.stdout.write(
  JSON.stringify({ code, isComplete: active === acknowledged, isNext: revision === acknowledged + 1 }),
);
