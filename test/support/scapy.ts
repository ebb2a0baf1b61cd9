import type { TestNamespace } from './namespaces.js';

/** Debian's, which has scapy; another may come first in the PATH. */
const PYTHON = '/usr/bin/python3';

/**
 * Runs a Python program that begins with all of scapy, inside a namespace, and gives what it prints. Rejects if it fails.
 * @param values are variables of the program
 */
export function scapy(from: TestNamespace, values: Record<string, string | number>, program: string): Promise<string> {
  const variables = Object.entries(values).map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`);
  const start = 'import logging\nlogging.getLogger("scapy").setLevel(logging.ERROR)\nfrom scapy.all import *\n';
  return from.run(PYTHON, '-c', `${start}${variables.join('')}${program}`);
}

/** Runs a Python program without scapy. */
export function python(from: TestNamespace, program: string): Promise<string> {
  return from.run(PYTHON, '-c', program);
}
