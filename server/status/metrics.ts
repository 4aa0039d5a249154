/**
 * What the server counts of itself, in Prometheus' text format, in a registry of its own. Names no host and no key:
 * labels are operations, states and statuses, so their number stays small. Whoever knows a figure registers it here.
 */
import client from 'prom-client';

export interface Metrics {
  observeRequest(request: { operation: string; method: string; status: number; seconds: number }): void;
  /** A figure that only grows. */
  counter(name: string, help: string): (by?: number) => void;
  /** A figure that is read when somebody asks. */
  gauge(name: string, help: string, read: () => number | Promise<number>): void;
  /** The same by the values of one label. */
  gaugeBy(name: string, help: string, label: string, read: () => Promise<Readonly<Record<string, number>>>): void;
  read(): Promise<{ contentType: string; text: string }>;
}

/** Seconds; most requests are a few milliseconds, a full map of 10,000 hosts is the slowest. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export function createMetrics(): Metrics {
  const registry = new client.Registry();
  client.collectDefaultMetrics({ register: registry });
  const durations = new client.Histogram({
    name: 'warren_http_request_seconds',
    help: 'Time to answer a request, by operation and status',
    labelNames: ['operation', 'method', 'status'],
    buckets,
    registers: [registry],
  });
  return {
    observeRequest({ operation, method, status, seconds }) {
      durations.observe({ operation, method, status: String(status) }, seconds);
    },
    counter(name, help) {
      const counter = new client.Counter({ name, help, registers: [registry] });
      return (by = 1) => counter.inc(by);
    },
    gauge(name, help, read) {
      const gauge: client.Gauge = new client.Gauge({
        name,
        help,
        registers: [registry],
        collect: async () => gauge.set(await read()),
      });
    },
    gaugeBy(name, help, label, read) {
      const gauge: client.Gauge = new client.Gauge({
        name,
        help,
        labelNames: [label],
        registers: [registry],
        collect: async () => {
          for (const [value, count] of Object.entries(await read())) gauge.set({ [label]: value }, count);
        },
      });
    },
    read: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}
