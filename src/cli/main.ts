#!/usr/bin/env node
import { run } from './program.js';

// A reader of the output may end early (`vethwork demo | head`). Running work is still finished or undone.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') {
      throw error;
    }
  });
}

process.exitCode = await run(process.argv.slice(2));
