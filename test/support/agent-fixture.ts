/** One agent's kernel side over a fake host: settings, and one pass of observe, desire, plan and apply. */
import { desire } from '../../agent/plan/desire.ts';
import { type EndpointMemory, noEndpointMemory, trackEndpoints } from '../../agent/plan/endpoints.ts';
import { plan } from '../../agent/plan/plan.ts';
import type { Desired, Refusal } from '../../agent/plan/desired.ts';
import type { Observed } from '../../agent/plan/observed.ts';
import type { AttachmentSpec, HostSettings } from '../../agent/plan/settings.ts';
import type { Step } from '../../agent/plan/step.ts';
import { type ApplyResult, apply } from '../../agent/apply.ts';
import { observe } from '../../agent/observe.ts';
import { parseHostId, parseInterfaceName } from '../../shared/names.ts';
import { parseAddress } from '../../shared/net/address.ts';
import { parseCidr } from '../../shared/net/cidr.ts';
import type { NetworkMap } from '../../shared/network-map.ts';
import type { Workload } from '../../shared/workload.ts';
import { parsePublicKey } from '../../shared/wireguard.ts';
import type { System } from '../../agent/system/run.ts';
import { FakeHost, type FakeHostOptions } from './fake-host.ts';
import { hostId, publicKeyOf } from './mesh-map.ts';
import { type LocalFacts, noLocalFacts } from '../../agent/plan/local.ts';

export function settingsOf(n: number, changes: Partial<HostSettings> = {}): HostSettings {
  return {
    interfaceName: parseInterfaceName('warren0'),
    bridgeName: parseInterfaceName('warren-br'),
    tableName: 'warren',
    listenPort: 51820,
    privateKeyFile: `/state/${n}/wireguard.key`,
    publicKey: parsePublicKey(publicKeyOf(n)),
    selfId: parseHostId(hostId(n)),
    ...changes,
  };
}

export function attachmentOf(n: number, host = 1): AttachmentSpec {
  return {
    id: `c${n}`,
    netnsPath: `/run/netns/c${n}`,
    interfaceName: parseInterfaceName('eth0'),
    addresses: [{ address: parseAddress(`10.210.${host}.${n + 1}`), lease: parseCidr(`10.210.${host}.0/24`) }],
    gateways: [parseAddress(`10.210.${host}.1`)],
  };
}

/** A fake host whose private key files hold the keys that `settingsOf` names. */
export function fakeHost(options: FakeHostOptions = {}): FakeHost {
  const publicKeyIn = (file: string): string => publicKeyOf(Number(/^\/state\/(\d+)\//.exec(file)?.[1]));
  return new FakeHost({ publicKeyOf: publicKeyIn, ...options });
}

export interface Pass {
  readonly observed: Observed;
  readonly desired: Desired;
  readonly refusals: readonly Refusal[];
  readonly steps: readonly Step[];
  readonly result: ApplyResult;
}

export class AgentFixture {
  readonly system: System;
  readonly settings: HostSettings;
  attachments: AttachmentSpec[] = [];
  workloads: Workload[] = [];
  innerMtus: LocalFacts['innerMtus'] = new Map();
  memory: EndpointMemory = noEndpointMemory;
  now = 1_000_000_000_000;

  constructor(system: System, settings: HostSettings = settingsOf(1)) {
    this.system = system;
    this.settings = settings;
  }

  async pass(map: NetworkMap): Promise<Pass> {
    const observed = await observe(this.system, this.settings, this.attachments, this.now);
    this.memory = trackEndpoints(this.memory, observed.wireguard?.peers ?? new Map(), this.now);
    const { desired, refusals } = desire(
      {
        map,
        settings: this.settings,
        attachments: this.attachments,
        local: { ...noLocalFacts, workloads: this.workloads, innerMtus: this.innerMtus },
      },
      observed,
    );
    const planned = plan(desired, observed, this.memory);
    const result = await apply(this.system, this.settings, planned.steps);
    return { observed, desired, refusals: [...refusals, ...planned.refusals], steps: planned.steps, result };
  }
}
