#!/usr/bin/env node
/** The one executable. Starts the command line and turns its outcome into an exit code; `run.ts` does the rest. */
import { readInvocation } from './args.ts';
import { run } from './run.ts';

const { args, io } = readInvocation();

async function main(): Promise<void> {
  process.exitCode = await run(args, io);
}

void main();
