// node scripts/waits.mjs <pid> [seconds]: samples the kernel stacks of a process's threads, and prints how often threads
// waited in which kernel functions. Needs root. Source of the wait times in docs/performance.md.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const [pid, seconds = '5'] = process.argv.slice(2);
const task = `/proc/${pid}/task`;
/** Functions in which idle threads wait. */
const IDLE = /futex|epoll|pipe_read|do_wait|sigtimedwait|exit_to_user_mode/;
/** System call entry functions, which are not printed. */
const PLUMBING = /^(entry_|do_syscall|x64_sys|__x64|__se_|__sys|___sys|____sys|sock_|netlink_|rtnetlink_rcv)/;

/** @param {string} stack */
const functionsOf = (stack) => stack.split('\n').flatMap((line) => /\] (?:<0>)?([\w.]+)\+/.exec(line)?.[1] ?? []);

/** @type {Map<string, number>} */
const seen = new Map();
for (const end = Date.now() + Number(seconds) * 1000; Date.now() < end && existsSync(task); await sleep(0.5)) {
  for (const thread of readdirSync(task)) {
    try {
      const functions = functionsOf(readFileSync(`${task}/${thread}/stack`, 'latin1'));
      if (functions.length === 0 || functions.some((name) => IDLE.test(name))) continue;
      const comm = readFileSync(`${task}/${thread}/comm`, 'latin1').trim();
      const key = `${comm}: ${functions
        .filter((name) => !PLUMBING.test(name))
        .slice(0, 6)
        .join(' < ')}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
    } catch {
      // The thread has ended.
    }
  }
}
for (const [key, count] of [...seen].sort((a, b) => b[1] - a[1]).slice(0, 20))
  console.log(String(count).padStart(6), key);
