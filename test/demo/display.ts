/** How the demo talks: a line per step that turns from a spinner into its outcome on a terminal, plain lines elsewhere. */
import { styleText } from 'node:util';

export interface Display {
  heading(text: string): void;
  /** Shows that something goes on, then what came of it and how long it took. */
  step<T>(what: string, work: () => Promise<T>, outcome: (value: T) => string): Promise<T>;
  text(text: string): void;
  paint(color: 'green' | 'red' | 'dim' | 'bold' | 'cyan', text: string): string;
}

const frames = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';

export function createDisplay(stream: NodeJS.WriteStream, env: Readonly<Record<string, string | undefined>>): Display {
  const isColored = stream.isTTY && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
  const paint: Display['paint'] = (color, text) => (isColored ? styleText(color, text) : text);
  const write = (text: string): void => void stream.write(text);
  return {
    paint,
    heading: (text) => write(`\n${paint('bold', text)}\n`),
    text: (text) => write(`${text}\n`),
    async step(what, work, outcome) {
      const began = performance.now();
      const stopSpinning = stream.isTTY ? spin(write, (frame) => `  ${paint('cyan', frame)} ${what}`) : () => undefined;
      try {
        const value = await work();
        stopSpinning();
        const seconds = ((performance.now() - began) / 1000).toFixed(1);
        write(`  ${paint('green', '✔')} ${what}: ${outcome(value)} ${paint('dim', `(${seconds} s)`)}\n`);
        return value;
      } catch (error) {
        stopSpinning();
        write(`  ${paint('red', '✖')} ${what}\n`);
        throw error;
      }
    },
  };
}

function spin(write: (text: string) => void, line: (frame: string) => string): () => void {
  let turn = 0;
  const draw = (): void => {
    write(`\r\u001b[2K${line(frames[turn % frames.length] ?? '')}`);
    turn += 1;
  };
  draw();
  const timer = setInterval(draw, 80);
  return () => {
    clearInterval(timer);
    write('\r\u001b[2K');
  };
}
