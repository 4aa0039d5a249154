/**
 * Docker's options out of `subnet.env`, in the format of flannel's `mk-docker-opts.sh`, so that unit files that read its
 * output need no change. Pure.
 */
import { WarrenError } from '../../shared/errors.ts';

export interface DockerOptsForm {
  /** One variable for each option. */
  readonly isIndividual: boolean;
  /** All options in one variable. */
  readonly isCombined: boolean;
  /** The combined variable's name. */
  readonly key: string;
  /** Without `--ip-masq`, for engines that do not know it. */
  readonly isMasqueradeLeftOut: boolean;
}

/** Neither form asked for means both, as the script has it. Throws `usage-invalid` or `config-invalid`. */
export function formatDockerOpts(subnetEnv: string, form: DockerOptsForm): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(form.key)) {
    throw new WarrenError('usage-invalid', '-k takes the name of a variable: letters, digits and _');
  }
  const values = readSubnetEnv(subnetEnv);
  const options: [string, string][] = [];
  if (values.subnet !== undefined) options.push(['DOCKER_OPT_BIP', `--bip=${values.subnet}`]);
  if (values.isMasquerading !== undefined && !form.isMasqueradeLeftOut) {
    // Who masquerades already must not have Docker do it too.
    options.push(['DOCKER_OPT_IPMASQ', `--ip-masq=${String(!values.isMasquerading)}`]);
  }
  if (values.mtu !== undefined) options.push(['DOCKER_OPT_MTU', `--mtu=${values.mtu}`]);
  const isBoth = !form.isIndividual && !form.isCombined;
  const lines = form.isIndividual || isBoth ? options.map(([name, value]) => `${name}="${value}"`) : [];
  if (form.isCombined || isBoth) lines.push(`${form.key}="${options.map(([, value]) => ` ${value}`).join('')}"`);
  return lines.map((line) => `${line}\n`).join('');
}

interface SubnetEnvValues {
  readonly subnet: string | undefined;
  readonly mtu: string | undefined;
  readonly isMasquerading: boolean | undefined;
}

/** Strict where the script would have run whatever stood in the file. */
function readSubnetEnv(text: string): SubnetEnvValues {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^([A-Z0-9_]+)=(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) values.set(name, value);
  }
  const take = (name: string, grammar: RegExp): string | undefined => {
    const value = values.get(name);
    if (value === undefined || value === '') return undefined;
    if (grammar.test(value)) return value;
    throw new WarrenError('config-invalid', `${name} in the file is '${value.slice(0, 64)}', which is no value of it`);
  };
  const masquerade = take('FLANNEL_IPMASQ', /^(?:true|false)$/);
  return {
    subnet: take('FLANNEL_SUBNET', /^\d{1,3}(?:\.\d{1,3}){3}\/\d{1,2}$/),
    mtu: take('FLANNEL_MTU', /^[1-9]\d{2,4}$/),
    isMasquerading: masquerade === undefined ? undefined : masquerade === 'true',
  };
}
