/** Starts as a server does until it has the first key, and dies at the point named. Prints the key when it lives on. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { ensureFirstKey } from '../../../server/keys/first-key.ts';
import { keyFile } from '../../../server/state-dir.ts';
import { openStore } from '../../../server/store/open.ts';

const [directory = '', point = 'never'] = process.argv.slice(2);
const at = (reached: string): void => {
  if (reached === point) process.kill(process.pid, 'SIGKILL');
};

const store = await openStore({ file: `${directory}/warren.db`, clock: Date, random: randomBytes });
store.onCommit(() => at('committed'));
const real = keyFile(`${directory}/admin.key`);
const key = await ensureFirstKey(store, {
  read: () => real.read(),
  async write(text) {
    at('made');
    if (point === 'half-written') writeFileSync(`${directory}/admin.key.new`, text.slice(0, 20));
    at('half-written');
    await real.write(text);
    at('written');
  },
});
process.stdout.write(key?.reveal() ?? 'none');
await store.close();
