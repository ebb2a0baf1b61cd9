import type { TestNamespace } from './namespaces.js';

/** Debian's Python, which has scapy. Another Python may be first in the PATH. */
export const PYTHON = '/usr/bin/python3';

/** Imports of the tests. The import of `scapy.all` takes three times as long. */
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
 * Runs a Python program with scapy in a namespace and resolves to its output. Rejects if it fails.
 * @param values variables of the program
 */
export function scapy(from: TestNamespace, values: Record<string, string | number>, program: string): Promise<string> {
  const variables = Object.entries(values).map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`);
  return from.run(PYTHON, '-c', `${SCAPY}${variables.join('')}${program}`);
}

/** Runs a Python program without scapy. */
export function python(from: TestNamespace, program: string): Promise<string> {
  return from.run(PYTHON, '-c', program);
}
