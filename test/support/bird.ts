import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestNamespace } from './namespaces.js';

const EXAMPLE = fileURLToPath(new URL('../../docs/bird-network-node.conf', import.meta.url));

/** A routing daemon (BIRD 2) in a namespace. */
export class TestBird implements AsyncDisposable {
  private constructor(readonly child: ChildProcess) {}

  /** The example of a network node, with these addresses. */
  static async node(namespace: TestNamespace, folder: string, own: string, upstream: string): Promise<TestBird> {
    const example = await readFile(EXAMPLE, 'utf8');
    return TestBird.start(
      namespace,
      folder,
      example
        .replaceAll('10.0.0.11', own)
        .replaceAll('10.0.0.1;', `${upstream};`)
        .replaceAll('10.0.0.1 ', `${upstream} `),
    );
  }

  /** A router outside, with a session to each network node. It adds what it learns to its routes. */
  static upstream(namespace: TestNamespace, folder: string, own: string, nodes: readonly string[]): Promise<TestBird> {
    const sessions = nodes.map(
      (node, index) => `protocol bgp node${index} {
  local ${own} as 65000;
  neighbor ${node} as 65001;
  bfd on;
  connect delay time 1;
  connect retry time 1;
  ipv4 { import all; export none; };
}`,
    );
    const text = `router id ${own};
protocol device { scan time 1; }
protocol bfd { }
protocol kernel { ipv4 { import none; export all; }; }
${sessions.join('\n')}
`;
    return TestBird.start(namespace, folder, text);
  }

  private static async start(namespace: TestNamespace, folder: string, configuration: string): Promise<TestBird> {
    const file = join(folder, `${namespace.name}.bird.conf`);
    await writeFile(file, configuration);
    const control = join(folder, `${namespace.name}.bird.ctl`);
    return new TestBird(
      namespace.spawn('bird', ['-f', '-c', file, '-s', control], { stdio: ['ignore', 'inherit', 'inherit'] }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await ended;
  }
}
