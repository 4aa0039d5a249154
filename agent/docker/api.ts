/**
 * What is asked of the engine, and as much of its answers as is used (Docker Engine API 1.41 to 1.51). An answer may hold
 * more; what stands in it was written by whoever may use the engine, so each value passes a grammar before it is used.
 */
import { z } from 'zod';
import type { Engine } from './engine.ts';

const orEmpty = <T extends z.ZodType>(schema: T) => schema.nullish();
const labels = z.record(z.string(), z.string()).nullish();

const versionSchema = z.object({ ApiVersion: z.string().regex(/^\d+\.\d+$/), Version: z.string() });
const infoSchema = z.object({
  ServerVersion: z.string().default(''),
  FirewallBackend: z.object({ Driver: z.string().default('iptables') }).nullish(),
});

const endpointSchema = z.object({
  IPAddress: z.string().default(''),
  GlobalIPv6Address: z.string().default(''),
  Aliases: orEmpty(z.array(z.string())),
  MacAddress: z.string().default(''),
  EndpointID: z.string().default(''),
});

export const summarySchema = z.object({
  Id: z.string().regex(/^[0-9a-f]{64}$/),
  NetworkSettings: z.object({ Networks: orEmpty(z.record(z.string(), endpointSchema.nullable())) }).nullish(),
});
export type ContainerSummary = z.infer<typeof summarySchema>;

export const containerSchema = z.object({
  Id: z.string().regex(/^[0-9a-f]{64}$/),
  Name: z.string(),
  State: z.object({
    Running: z.boolean(),
    Paused: z.boolean().default(false),
    Restarting: z.boolean().default(false),
    Dead: z.boolean().default(false),
    Pid: z.int().default(0),
    StartedAt: z.string().default(''),
    Health: z.object({ Status: z.string() }).nullish(),
  }),
  Config: z.object({
    Env: orEmpty(z.array(z.string())),
    Labels: labels,
    ExposedPorts: orEmpty(z.record(z.string(), z.unknown())),
  }),
  NetworkSettings: z.object({ Networks: orEmpty(z.record(z.string(), endpointSchema.nullable())) }),
});
export type Container = z.infer<typeof containerSchema>;

export const networkSchema = z.object({
  Id: z.string().regex(/^[0-9a-f]{64}$/),
  Name: z.string(),
  Driver: z.string(),
  Labels: labels,
  Options: labels,
  EnableIPv6: z.boolean().default(false),
  IPAM: z
    .object({
      Config: orEmpty(
        z.array(
          z.object({
            Subnet: z.string().default(''),
            IPRange: z.string().default(''),
            Gateway: z.string().default(''),
          }),
        ),
      ),
    })
    .nullish(),
});
export type Network = z.infer<typeof networkSchema>;

const createdSchema = z.object({ Id: z.string() });

export const eventSchema = z.object({
  Type: z.string(),
  Action: z.string(),
  Actor: z.object({ ID: z.string().default(''), Attributes: labels }),
});
export type EngineEvent = z.infer<typeof eventSchema>;

const filters = (value: Readonly<Record<string, readonly string[]>>): string =>
  `filters=${encodeURIComponent(JSON.stringify(value))}`;

export const askVersion = (engine: Engine) => engine.get('/version', versionSchema);
export const askInfo = (engine: Engine) => engine.get('/info', infoSchema);
/** Running ones, paused ones among them. */
export const listContainers = (engine: Engine) => engine.get('/containers/json', z.array(summarySchema));
export const listUsers = (engine: Engine, networkId: string) =>
  engine.get(`/containers/json?all=1&${filters({ network: [networkId] })}`, z.array(summarySchema));
/** `name`: an id, or a name that `isContainerName` took. */
export const inspectContainer = (engine: Engine, name: string) =>
  engine.get(`/containers/${encodeURIComponent(name)}/json`, containerSchema);
export const listNetworks = (engine: Engine) => engine.get('/networks', z.array(networkSchema));
export const createNetwork = (engine: Engine, body: unknown) => engine.post('/networks/create', body, createdSchema);
export const removeNetwork = (engine: Engine, id: string) => engine.remove(`/networks/${encodeURIComponent(id)}`);
/** Not what an engine says of each health check and `exec`, which would be a look each. */
const heardEvents =
  'start die stop pause unpause rename update health_status create destroy connect disconnect remove'.split(' ');
export const eventsPath = `/events?${filters({ type: ['container', 'network'], event: heardEvents })}`;

/** Docker's own grammar of container names and ids. */
export const isContainerName = (text: string): boolean => /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(text);
