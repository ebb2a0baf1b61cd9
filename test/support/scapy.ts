import type { TestNamespace } from './namespaces.js';

/** Debian's, which has scapy; another may come first in the PATH. */
export const PYTHON = '/usr/bin/python3';

/** What the tests need of scapy. To import `scapy.all` takes three times as long. */
export const SCAPY = `
import logging
logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.config import conf
from scapy.packet import *
from scapy.sendrecv import *
from scapy.utils import *
from scapy.layers.l2 import *
from scapy.layers.inet import *
from scapy.layers.inet6 import *
from scapy.layers.dhcp import *
`;

/**
 * Runs a Python program that begins with scapy, inside a namespace, and gives what it prints. Rejects if it fails.
 * @param values are variables of the program
 */
export function scapy(from: TestNamespace, values: Record<string, string | number>, program: string): Promise<string> {
  const variables = Object.entries(values).map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`);
  return from.run(PYTHON, '-c', `${SCAPY}${variables.join('')}${program}`);
}

/** Runs a Python program without scapy. */
export function python(from: TestNamespace, program: string): Promise<string> {
  return from.run(PYTHON, '-c', program);
}
