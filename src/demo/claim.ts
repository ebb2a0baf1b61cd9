import { createServer, type Server } from 'node:net';

const held: Server[] = [];

/**
 * Claims a name on this machine until `releaseClaims` or the end of the process, so that two demos at once don't both
 * take the walk-through's UUID. The claim is a socket in the abstract namespace, which the kernel frees by itself.
 */
export function claim(name: string): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(`\0vethwork-demo-${name}`, () => {
      // It holds a name; it must not hold the process.
      server.unref();
      held.push(server);
      resolve(true);
    });
  });
}

export function releaseClaims(): void {
  for (const server of held.splice(0)) {
    server.close();
  }
}
