import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scene } from '../scene.js';
import { start } from '../tools.js';

/** Starts a web server in an instance. Its page has the name of the instance. Disposing of it stops the server. */
export async function startWebServer(scene: Scene, name: string): Promise<AsyncDisposable> {
  const { instance } = scene.guest(name);
  const root = join(scene.stage.folder, `www-${name}`);
  await mkdir(root, { recursive: true });
  await writeFile(join(root, 'index.html'), `this is ${name}\n`);
  const server = start(instance.inside('busybox', 'httpd', '-f', '-p', '8080', '-h', root));
  // The server prints nothing when it is ready, so that it is polled over the loopback interface.
  for (let tries = 0; tries < 50 && (await scene.fetch(name, '127.0.0.1')) === ''; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    async [Symbol.asyncDispose]() {
      await server.stop();
    },
  };
}
