/** One host of a simulated mesh: the real agent over a fake kernel, a state in memory, and a link made of weather. */
import { join } from 'node:path';
import { pino } from 'pino';
import type { AgentSettings } from '../../agent/config.ts';
import { makeCsr } from '../../agent/identity.ts';
import { type Agent, startAgent } from '../../agent/run.ts';
import { enroll } from '../../server/enroll/enroll.ts';
import type { HostId } from '../../shared/names.ts';
import { parseHostName, parseInstanceName, parseInterfaceName } from '../../shared/names.ts';
import { parseAddress } from '../../shared/net/address.ts';
import { makeEndpoint } from '../../shared/net/endpoint.ts';
import { FakeHost } from '../support/fake-host.ts';
import { type SimulatedLink, type Weather, createSimulatedLink } from './link.ts';
import { type MemoryState, createMemoryState } from './memory-state.ts';
import { type SimulatedServer, serverUrl } from './simulated-server.ts';

export interface Enrollment {
  readonly tokenId: string;
  readonly tokenSecret: string;
}

export class SimulatedHost {
  readonly name: string;
  readonly kernel: FakeHost;
  readonly state: MemoryState;
  hostId: HostId | undefined;
  agent: Agent | undefined;
  link: SimulatedLink | undefined;
  readonly #weather: Weather;
  readonly #directory: string;
  readonly #address: string;

  constructor(number: number, weather: Weather, directory: string) {
    this.name = `host-${number}`;
    this.#weather = weather;
    this.#directory = directory;
    this.#address = `192.0.2.${number}`;
    this.state = createMemoryState(this.name);
    this.kernel = new FakeHost({
      addresses: [`${this.#address}/24`],
      publicKeyOf: (file) => this.state.publicKeyOfFile(file),
    });
  }

  /** What `warren join` does, without HTTP. */
  async join({ deps }: SimulatedServer, { tokenId, tokenSecret }: Enrollment): Promise<void> {
    const { publicKey } = await this.state.wireguardKeys();
    const body = {
      tokenId,
      tokenSecret,
      name: parseHostName(this.name),
      publicKey,
      csr: await makeCsr(await this.state.identityKey(), this.name),
      listenPort: 51820,
      declaredEndpoints: [],
      localEndpoints: [makeEndpoint(parseAddress(this.#address), 51820)],
      advertise: [],
      agentVersion: 'simulated',
    };
    const request = { body, remoteAddress: parseAddress(this.#address), serverUrl };
    const { host, certificate } = await deps.store.transact('anonymous', (tx) => enroll(tx, deps.authority, request));
    this.hostId = host.id;
    await this.state.writeCa(deps.authority.caPem);
    await this.state.writeCertificate(certificate.pem);
    await this.state.writeHost({
      format: 1,
      serverUrl,
      caPin: deps.authority.caPin,
      name: host.name,
      listenPort: 51820,
      declaredEndpoints: [],
      advertise: [],
      hostId: host.id,
    });
  }

  async start(): Promise<void> {
    if (this.agent !== undefined || this.hostId === undefined) return;
    const { name, hostId } = this;
    this.link = createSimulatedLink(this.#weather, { name, hostId, address: parseAddress(this.#address) });
    const { chance } = this.#weather;
    const clock = {
      now: () => Date.now(),
      after: (ms: number, fn: () => void) => {
        const timer = setTimeout(fn, ms);
        return { cancel: () => clearTimeout(timer) };
      },
      random: () => chance.next(),
    };
    this.agent = await startAgent({
      settings: this.#settings(),
      system: this.kernel.system,
      link: this.link,
      clock,
      state: this.state,
      log: pino({ level: 'silent' }),
      probe: { look: () => Promise.resolve({ kind: 'missing' }), own: () => Promise.resolve('own') },
    });
  }

  async stop(): Promise<void> {
    const { agent } = this;
    this.agent = undefined;
    await agent?.stop();
  }

  #settings(): AgentSettings {
    return {
      instance: parseInstanceName('default'),
      stateDir: this.state.directory,
      runDir: join(this.#directory, this.name),
      interfaceName: parseInterfaceName('warren0'),
      bridgeName: parseInterfaceName('warren-br'),
      tableName: 'warren',
      listenPort: undefined,
      logLevel: 'silent',
      subnetEnvFile: join(this.#directory, this.name, 'subnet.env'),
      wireguardGo: undefined,
      pluginSocket: undefined,
      relayPorts: { first: 51_900, last: 52_923 },
      relayTls: undefined,
      isDnsServed: false,
      isPskWanted: false,
      pskRenewMs: 24 * 3600_000,
      hooksDir: '/nonexistent/hooks',
      resolvConfFile: '/nowhere/resolv.conf',
      firewalldFolder: undefined,
      resolvedFolder: undefined,
      dockerSocket: undefined,
      dockerNetwork: 'warren',
      isNotifyWanted: false,
    };
  }
}
