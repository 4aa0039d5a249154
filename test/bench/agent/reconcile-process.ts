/**
 * One agent's reconciler on one kernel, as a process of its own: `node reconcile-process.js fake|real PEERS FOLDER
 * INTERFACE`. With `real` it runs in a namespace that the bench made and works on the kernel there, with `fake` on a host
 * in memory, which shows the agent's own share. Prints what it measured as JSON.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import { removeAll } from '../../../agent/apply.ts';
import { createBeside } from '../../../agent/beside.ts';
import { systemClock } from '../../../agent/clock.ts';
import { observe } from '../../../agent/observe.ts';
import { desire } from '../../../agent/plan/desire.ts';
import { noEndpointMemory } from '../../../agent/plan/endpoints.ts';
import { plan } from '../../../agent/plan/plan.ts';
import type { HostSettings } from '../../../agent/plan/settings.ts';
import { type Reached, type Reconciler, startReconciler } from '../../../agent/reconcile.ts';
import { type System, createSystem } from '../../../agent/system/run.ts';
import { parseInterfaceName } from '../../../shared/names.ts';
import type { NetworkMap } from '../../../shared/network-map.ts';
import { parsePublicKey } from '../../../shared/wireguard.ts';
import { settingsOf } from '../../support/agent-fixture.ts';
import { run } from '../../support/command.ts';
import { FakeHost } from '../../support/fake-host.ts';
import { until } from '../../support/wait.ts';
import { type MeshChange, changes, meshMap } from './maps.ts';
import { noLocalFacts } from '../../../agent/plan/local.ts';

export interface ReconcileFigures {
  /** From an empty kernel to everything in it, ms. */
  readonly fullMs: number;
  readonly fullCommands: number;
  /** desire and plan alone after one peer changed, ms. */
  readonly planMs: readonly number[];
  readonly changes: readonly ChangeFigures[];
  /** Steps of a pass when nothing changed; anything but 0 is a bug. */
  readonly stepsWhenIdle: number;
}

export interface ChangeFigures {
  readonly change: MeshChange;
  /** From the new map to its being in the kernel, ms. */
  readonly ms: number;
  /** External commands until then. */
  readonly commands: number;
  readonly failures: readonly string[];
}

const rounds = 5;
/** In which the reconciler gathers kernel events before it looks. */
const gatherMs = 250;

async function main([kind = '', peers = '', folder = '', interfaceName = '']: string[]): Promise<ReconcileFigures> {
  const ran: string[] = [];
  const { settings, system } = await prepare(kind, folder, interfaceName, ran);
  let map = meshMap(Number(peers) + 1, settings.publicKey);
  const driver = drive(system, settings, () => map);
  const startedAt = performance.now();
  const full = await driver.pass();
  const fullMs = performance.now() - startedAt;
  const fullCommands = ran.length;
  const failed = full.failures.map((failure) => failure.why);
  if (failed.length > 0) throw new Error(`the first pass failed: ${failed.slice(0, 3).join('; ')}`);
  const { planMs, stepsWhenIdle } = await planTimes(system, settings, map);
  const figures: ChangeFigures[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const change of Object.keys(changes) as MeshChange[]) {
      await driver.settle();
      map = changes[change](map, round);
      const before = ran.length;
      const began = performance.now();
      const { failures } = await driver.pass();
      const ms = performance.now() - began;
      figures.push({ change, ms, commands: ran.length - before, failures: failures.map((failure) => failure.why) });
    }
  }
  await driver.reconciler.stop();
  await removeAll(system, settings, {});
  return { fullMs, fullCommands, planMs, stepsWhenIdle, changes: figures };
}

/** The agent's settings, and its system counting what it runs. */
async function prepare(kind: string, folder: string, interfaceName: string, ran: string[]) {
  const base = kind === 'fake' ? new FakeHost({ publicKeyOf: () => settingsOf(1).publicKey }).system : createSystem();
  const system: System = {
    ...base,
    run: (command) => {
      ran.push(command.argv.join(' '));
      return base.run(command);
    },
  };
  if (kind === 'fake') return { system, settings: settingsOf(1) };
  const privateKeyFile = join(folder, `${interfaceName}.key`);
  await writeFile(privateKeyFile, (await run(['wg', 'genkey'])).stdout, { mode: 0o600 });
  const { stdout } = await run(['wg', 'pubkey'], { input: await readFile(privateKeyFile, 'utf8') });
  const names = { interfaceName: parseInterfaceName(interfaceName), bridgeName: parseInterfaceName('warren-br') };
  return { system, settings: settingsOf(1, { ...names, privateKeyFile, publicKey: parsePublicKey(stdout.trim()) }) };
}

interface Driver {
  readonly reconciler: Reconciler;
  /** Wakes it and resolves when the newest map was dealt with. */
  pass(): Promise<Reached>;
  /** Waits until it has looked again and found nothing to do. */
  settle(): Promise<void>;
}

function drive(system: System, settings: HostSettings, map: () => NetworkMap): Driver {
  let onReached: (reached: Reached) => void = () => undefined;
  const reconciler = startReconciler({
    system,
    clock: systemClock,
    log: pino({ level: 'silent' }),
    beside: createBeside(system),
    inputs: () => {
      const { epoch, revision } = map();
      return Promise.resolve({
        map: map(),
        cursor: { epoch, revision },
        settings,
        attachments: [],
        local: noLocalFacts,
      });
    },
    isInputChanged: () => Promise.resolve(false),
    onSteps: () => Promise.resolve(),
    onReached: (reached) => onReached(reached),
  });
  return {
    reconciler,
    pass: () =>
      new Promise((resolve) => {
        const wanted = map().revision;
        onReached = (reached) => {
          if (reached.applied?.revision === wanted || reached.failures.length > 0) resolve(reached);
        };
        reconciler.wake();
      }),
    async settle() {
      await until('nothing left to do', { seconds: 60, everyMilliseconds: 10 }, async () => {
        // A look that is due anyway would be counted among the change's commands.
        await pause(2 * gatherMs);
        const { desired, observed } = await reconciler.settle();
        if (desired === undefined || observed === undefined) return false;
        return plan(desired, observed, noEndpointMemory).steps.length === 0;
      });
    },
  };
}

async function planTimes(system: System, settings: HostSettings, map: NetworkMap) {
  const planMs: number[] = [];
  const observed = await observe(system, settings, [], Date.now());
  for (let i = 0; i < 30; i += 1) {
    const changed = changes['key replaced'](map, i % (map.hosts.length - 2));
    const began = performance.now();
    const { desired } = desire({ map: changed, settings: settings, attachments: [], local: noLocalFacts }, observed);
    const { steps } = plan(desired, observed, noEndpointMemory);
    planMs.push(performance.now() - began);
    if (steps.length === 0) throw new Error('a replaced key gave no step');
  }
  const { desired } = desire({ map: map, settings: settings, attachments: [], local: noLocalFacts }, observed);
  return { planMs, stepsWhenIdle: plan(desired, observed, noEndpointMemory).steps.length };
}

process.stdout.write(`${JSON.stringify(await main(process.argv.slice(2)))}\n`);
