/** Errors as a CNI plugin tells them (specification, section 5 "Error"): a number for the runtime, words for people. */
import { type ErrorCode, WarrenError, asWarrenError } from '../../shared/errors.ts';

export const cniCodes = {
  versionUnsupported: 1,
  fieldUnsupported: 2,
  containerUnknown: 3,
  environmentInvalid: 4,
  ioFailed: 5,
  undecodable: 6,
  configInvalid: 7,
  tryLater: 11,
  unavailable: 50,
  unavailableAndLimited: 51,
  /** From here on they are the plugin's own. */
  failed: 100,
  addressTaken: 101,
  addressesExhausted: 102,
  isMissing: 103,
} as const;
export type CniCode = (typeof cniCodes)[keyof typeof cniCodes];

export class CniError extends Error {
  readonly code: number;
  readonly details: string;

  constructor(code: number, message: string, details = '') {
    super(message);
    this.name = 'CniError';
    this.code = code;
    this.details = details;
  }
}

const codes: Partial<Record<ErrorCode, CniCode>> = {
  'agent-not-running': cniCodes.tryLater,
  unreachable: cniCodes.tryLater,
  timeout: cniCodes.tryLater,
  'no-lease': cniCodes.tryLater,
  'attachment-target-missing': cniCodes.containerUnknown,
  'attachment-conflict': cniCodes.addressTaken,
  'addresses-exhausted': cniCodes.addressesExhausted,
  'prefix-refused': cniCodes.configInvalid,
  'config-invalid': cniCodes.configInvalid,
  'usage-invalid': cniCodes.environmentInvalid,
};

export function asCniError(error: unknown): CniError {
  if (error instanceof CniError) return error;
  const { code, message } = asWarrenError(error);
  return new CniError(codes[code] ?? cniCodes.failed, message);
}

export const formatError = ({ code, message, details }: CniError, cniVersion: string): unknown => ({
  cniVersion,
  code,
  msg: message,
  ...(details === '' ? {} : { details }),
});

/** For the process's exit: the runtime reads the JSON, people see this. */
export const asCommandError = ({ message }: CniError): WarrenError => new WarrenError('command-failed', message);
