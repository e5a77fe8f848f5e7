#!/usr/bin/env node
// The `mailslot` command. Only this file ends the process.
import { abortOnSignals } from './interruption.js';
import { Output } from './output.js';
import { runProgram } from './program.js';

// Plain Node opens a debugger port on SIGUSR1; a listener takes its place.
process.on('SIGUSR1', () => {});
// Nobody reads what goes wrong any more: no reason to fail.
process.stderr.on('error', () => {});

const stop = new AbortController();
abortOnSignals(stop);
const output = new Output(process.stdout, stop.signal, (cause) => stop.abort(cause));
process.exit(await runProgram(process.argv.slice(2), { output, signal: stop.signal }));
