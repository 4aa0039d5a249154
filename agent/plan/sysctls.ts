/** Forwarding, and what must be kept in spite of it. */
import type { Observed } from './observed.ts';
import type { Step } from './step.ts';

export const ipv4Forward = 'net/ipv4/ip_forward';
export const ipv6Forward = 'net/ipv6/conf/all/forwarding';

/** What `observe` reads besides the forwarding switches and each link's accept_ra. */
export const ipv6Switches = ['net/ipv6/conf/all/disable_ipv6', 'net/ipv6/conf/default/disable_ipv6'] as const;

export const acceptRa = (link: string): string => `net/ipv6/conf/${link}/accept_ra`;

/**
 * A host that forwards IPv6 ignores router advertisements unless accept_ra is 2 (kernel's ip-sysctl.rst), so links
 * that take them now are told to go on before forwarding is switched on.
 */
export function planSysctls({ sysctls }: Observed): Step[] {
  const steps: Step[] = [];
  const set = (path: string, value: string, why: string): void => {
    const previous = sysctls.get(path);
    if (previous !== undefined && previous !== value) steps.push({ kind: 'sysctl-set', path, value, previous, why });
  };
  set(ipv4Forward, '1', 'containers need IPv4 forwarding');
  if (sysctls.get(ipv6Forward) === '0') {
    for (const [path, value] of sysctls) {
      if (path.endsWith('/accept_ra') && value === '1') {
        set(path, '2', 'the uplink must go on taking router advertisements');
      }
    }
  }
  set(ipv6Forward, '1', 'containers need IPv6 forwarding');
  return steps;
}
