/**
 * A value that must not be printed. It shows as `[secret]` in JSON, templates, `util.inspect` and pino, so that
 * redaction is a property of the value and not a list of field names that someone forgets to extend.
 */

const shown = '[secret]';

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The only way to the value; call it where it leaves the process or is hashed, nowhere else. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return shown;
  }

  toJSON(): string {
    return shown;
  }

  [Symbol.toPrimitive](): string {
    return shown;
  }

  /** Node's inspect hook, by its registered symbol, because `shared/` imports nothing of node. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return shown;
  }
}
