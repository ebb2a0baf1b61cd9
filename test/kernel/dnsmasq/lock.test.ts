import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmod, chown, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DnsmasqSupervisor, runtimePaths } from '../../../src/dnsmasq/index.js';
import { ConflictError, LockTimeoutError } from '../../../src/errors.js';
import { takeFileLock } from '../../../src/util/file-lock.js';
import { compile } from '../../support/compile.js';
import { rejection } from '../../support/kernel.js';
import { attempt, privileged } from '../../support/namespaces.js';
import { shellKernel } from '../../support/shell-kernel.js';

const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

/**
 * Holds what it can get of these: names of abstract sockets, and locks of files, which are opened for writing, for reading,
 * or made where they are not there. Says what it holds, and waits.
 */
const HOLD_ALL = `
import fcntl, json, os, socket, sys, time
names, files = json.loads(sys.argv[1]), json.loads(sys.argv[2])
held, keep = [], []
for name in names:
    # As it is, and filled with NULs to its full length, as Node does.
    for full in ('\\0' + name, ('\\0' + name).ljust(108, '\\0')):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.bind(full); s.listen(); keep.append(s); held.append(name)
        except OSError: pass
for file in files:
    for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):
        try:
            fd = os.open(file, flags, 0o666)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            keep.append(fd); held.append(file)
            break
        except OSError: pass
print(json.dumps(held), flush=True)
time.sleep(3600)
`;

describe.skipIf(!privileged)('the lock of a network’s dnsmasq', () => {
  let compiled: { script: string; folder: string };
  let network: string;
  let root: string;
  let lock: string;
  let children: ChildProcess[];

  beforeAll(async () => {
    compiled = await compile('test/kernel/dnsmasq/lock-child.ts');
  });
  afterAll(() => rm(compiled.folder, { recursive: true }));

  beforeEach(() => {
    network = randomUUID();
    root = path.join('/run', `vethwork-test-${randomBytes(4).toString('hex')}`, 'state');
    lock = runtimePaths(root, network).lock;
    children = [];
  });
  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL');
    await rm(path.dirname(root), { recursive: true, force: true });
  });

  const stop = (lockTimeout?: number) =>
    new DnsmasqSupervisor(shellKernel, { root, ...(lockTimeout !== undefined && { lockTimeout }) }).stop({
      network,
      netns: network,
    });

  /** Starts a program and gives its first line. */
  async function start(...[program = '', ...args]: string[]): Promise<{ child: ChildProcess; line: string }> {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const [data] = (await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), once(child, 'exit')])) as [
      Buffer,
    ];
    return { child, line: String(data).trim() };
  }

  const holdAll = async (prefix: string[], names: string[], files: string[]) => {
    const { line } = await start(
      ...prefix,
      '/usr/bin/python3',
      '-c',
      HOLD_ALL,
      JSON.stringify(names),
      JSON.stringify(files),
    );
    return JSON.parse(line) as string[];
  };

  it('cannot be held by another user', async () => {
    await stop();
    const { folder } = runtimePaths(root, network);
    const names = [root, folder, lock].flatMap((key) => {
      const hash = createHash('sha256').update(key).digest('hex');
      return [`vethwork-${hash}`, `vethwork-${key}`, key];
    });
    const files = [lock, folder, root, path.dirname(root)];
    expect(await holdAll(NOBODY, names, [lock])).toEqual(names.flatMap((name) => [name, name]));
    await stop();
    // Nor while the file exists.
    const { release } = await takeFileLock(lock);
    expect(await holdAll(NOBODY, [], [lock])).toEqual([]);
    await release();
    await stop();
    // A lock of the folder has no effect: the file is what is locked.
    await holdAll(NOBODY, [], files);
    await stop();
    // The same program, as this user, holds it.
    expect(await holdAll([], [], [lock])).toEqual([lock]);
    expect(await rejection(stop(200))).toBeInstanceOf(LockTimeoutError);
  });

  it('names its holder, a stopped process, in the error, and is free after the death of the holder', async () => {
    await stop();
    const { child } = await start(process.execPath, compiled.script, lock);
    child.kill('SIGSTOP');
    const error = (await rejection(stop(300))) as LockTimeoutError;
    expect(error).toBeInstanceOf(LockTimeoutError);
    expect(error).toMatchObject({ code: 'ERR_VETHWORK_LOCK_TIMEOUT', path: lock, milliseconds: 300 });
    expect(error.holder).toMatchObject({ pid: child.pid, command: expect.stringContaining('lock-child') });
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8');
    expect(error.holder?.started).toBe(`${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}@${boot}`);
    expect(error.message).toContain(`process ${child.pid} `);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await stop();
    expect(await readdir(root)).toEqual([]);
  });

  it('excludes processes in other mount, PID and network namespaces', async () => {
    await stop();
    const { line } = await start(
      ...['unshare', '--mount', '--pid', '--fork', '--net', '--kill-child'],
      ...[process.execPath, compiled.script, lock],
    );
    expect(line).toBe('held');
    expect(await rejection(stop(200))).toMatchObject({ code: 'ERR_VETHWORK_LOCK_TIMEOUT', holder: { pid: 1 } });
  });

  it('is held by one process at a time, and leaves no file behind', async () => {
    await mkdir(root, { recursive: true });
    let inside = 0;
    let most = 0;
    const work = async () => {
      const { release } = await takeFileLock(lock);
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 1));
      inside--;
      await release();
    };
    await Promise.all(Array.from({ length: 40 }, work));
    expect(most).toBe(1);
    expect(await readdir(root)).toEqual([]);
  });

  it('of a dead process is removed with the folder of the host', async () => {
    await stop();
    const { child } = await start(process.execPath, compiled.script, lock);
    const supervisor = new DnsmasqSupervisor(shellKernel, { root });
    await supervisor.leave();
    expect(await readdir(root)).toEqual([path.basename(lock)]);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await supervisor.leave();
    expect((await attempt('test', '-e', root)).exitCode).toBe(1);
  });

  it('follows no symbolic link, and uses no file of another user', async () => {
    await stop();
    const precious = path.join(path.dirname(root), 'precious');
    await writeFile(precious, 'precious');
    await symlink(precious, lock);
    expect(await rejection(stop())).toBeInstanceOf(ConflictError);
    await rm(lock);
    await mkdir(lock);
    expect(await rejection(stop())).toBeInstanceOf(ConflictError);
    await rm(lock, { recursive: true });
    await writeFile(lock, 'theirs');
    await chown(lock, 65534, 65534);
    expect(await rejection(stop())).toBeInstanceOf(ConflictError);
    await rm(lock);
    expect(await readFile(precious, 'utf8')).toBe('precious');
    await stop();
  });

  it.each<[what: string, spoil: (root: string) => Promise<unknown>]>([
    ['belongs to another user', (folder) => chown(folder, 65534, 65534)],
    ['is below a folder of another user', (folder) => chown(path.dirname(folder), 65534, 65534)],
    ['is below a folder that others may write in', (folder) => chmod(path.dirname(folder), 0o777)],
    [
      'is a link',
      async (folder) => {
        await rm(folder, { recursive: true });
        await mkdir(`${folder}-other`);
        await symlink(`${folder}-other`, folder);
      },
    ],
  ])('is not created in a folder that %s', async (_what, spoil) => {
    await stop();
    await spoil(root);
    expect(await rejection(stop())).toBeInstanceOf(ConflictError);
  });
});
