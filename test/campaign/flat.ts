// npm run campaign:flat: checks that RSS, descriptors and threads stay constant over 10,000 attach and detach cycles, and
// that the number of descriptors is bounded during concurrent queries of 2,000 namespaces.
import { readdir } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Kernel, type Operation, openKernel } from '../../src/kernel/index.js';
import { uniqueName } from '../support/namespaces.js';
import { type Campaign, runCampaign } from './campaign.js';

const CYCLES = 10_000;
/** Number of concurrent attachments and of namespaces. */
const AT_ONCE = 100;
const NAMESPACES = 10;
/** Warm-up cycles that fill caches and pools. */
const WARM_UP = 1000;
const MANY_NAMESPACES = 2000;

/** A device group that no suite uses. Only the host ends of the campaign's veth pairs are in it. */
const GROUP = 0x5f1a_7000;
const FIRST_INDEX = 0x5000_0000;

/** Tolerance for noise of the allocator. A leak of 1 KiB per cycle would be 8 MiB. */
const RSS_MEBIBYTES = 6;
/** Tolerance for a descriptor of Node.js. */
const DESCRIPTORS = 1;
/** Maximum of open descriptors of the engine for idle namespaces: 64 times three, plus those of working threads. */
const OPEN_AT_MOST = 64 * 3 + 8 * 3;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

interface Figures {
  rss: number;
  descriptors: number;
  threads: number;
}

const count = async (folder: string) => (await readdir(folder)).length;

async function figures(): Promise<Figures> {
  collect();
  return {
    rss: process.memoryUsage.rss() / 2 ** 20,
    descriptors: await count('/proc/self/fd'),
    threads: await count('/proc/self/task'),
  };
}

const text = ({ rss, descriptors, threads }: Figures) =>
  `RSS ${rss.toFixed(1)} MiB, ${descriptors} descriptors, ${threads} threads`;

function attach(host: string, netns: string, n: number): Operation[] {
  const [index, inner] = [FIRST_INDEX + 2 * n, FIRST_INDEX + 2 * n + 1];
  const peer = { name: `in${n}`, index: inner, netns };
  const address = `10.${n >> 6}.${(n & 63) << 2}.1/24`;
  return [
    {
      op: 'link.add',
      netns: host,
      link: { kind: 'veth', name: `out${n}`, index, group: GROUP, up: true, data: { peer } },
    },
    { op: 'link.set', netns, link: { index: inner }, changes: { up: true } },
    { op: 'address.add', netns, address: { index: inner, address } },
    { op: 'route.add', netns, route: { destination: 'default', index: inner, table: n + 1000 } },
  ];
}

async function cycles(kernel: Kernel, campaign: Campaign, host: string, inside: string[]): Promise<number> {
  let done = 0;
  let first: Figures | undefined;
  let last: Figures | undefined;
  while (done < CYCLES && !campaign.expired(done)) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, (_, n) =>
        kernel.transaction(attach(host, inside[n % inside.length] as string, n)),
      ),
    );
    const errors = await kernel.teardown([{ op: 'link.delete', netns: host, link: { group: GROUP } }]);
    for (const error of errors) campaign.finding(`a deletion failed: ${error.message}`);
    done += AT_ONCE;
    if (done % 1000 !== 0) continue;
    last = await figures();
    console.log(`flat: ${done} attachments made and deleted: ${text(last)}`);
    if (done === WARM_UP) first = last;
  }
  if (first === undefined || last === undefined || first === last) {
    campaign.finding(`${done} attachments are too few to compare: at least ${2 * WARM_UP}`);
    return done;
  }
  if (last.rss - first.rss > RSS_MEBIBYTES) campaign.finding(`RSS grew: ${text(first)}, then ${text(last)}`);
  if (last.descriptors > first.descriptors + DESCRIPTORS || last.threads > first.threads) {
    campaign.finding(`descriptors or threads grew: ${text(first)}, then ${text(last)}`);
  }
  return done;
}

/** Samples the number of descriptors during an action. */
async function mostDescriptors(during: Promise<unknown>): Promise<number> {
  let most = 0;
  let ended = false;
  const end = during.finally(() => {
    ended = true;
  });
  while (!ended) {
    most = Math.max(most, await count('/proc/self/fd'));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await end;
  return most;
}

/** Sends several queries to each namespace, so that its sockets are in use while other queries wait. */
async function manyNamespaces(kernel: Kernel, campaign: Campaign, names: string[]): Promise<number> {
  const before = await figures();
  const making = names.map((name) => kernel.transaction([{ op: 'namespace.add', name }]));
  await Promise.all(making);
  const asking = names.map((netns) => kernel.snapshot(netns));
  const most = (await mostDescriptors(Promise.all(asking))) - before.descriptors;
  if (most <= 0) campaign.finding('no descriptor was seen while namespaces were asked');
  if (most > OPEN_AT_MOST) campaign.finding(`${most} descriptors for ${names.length} namespaces asked at once`);
  // Idle sockets are closed after a tenth of a second.
  let after = await figures();
  for (let attempt = 0; attempt < 50 && after.descriptors > before.descriptors + DESCRIPTORS; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    after = await figures();
  }
  console.log(`flat: ${names.length} namespaces asked at once: ${most} more descriptors at most, then ${text(after)}`);
  if (after.descriptors > before.descriptors + DESCRIPTORS) {
    campaign.finding(`descriptors grew with namespaces: ${text(before)}, then ${text(after)}`);
  }
  return most;
}

await runCampaign('flat', 600, async (campaign) => {
  const prefix = uniqueName('flat');
  const kernel = openKernel();
  const host = `${prefix}-host`;
  const inside = Array.from({ length: NAMESPACES }, (_, n) => `${prefix}-${n}`);
  const many = Array.from({ length: MANY_NAMESPACES }, (_, n) => `${prefix}-many-${n}`);
  try {
    for (const name of [host, ...inside]) await kernel.transaction([{ op: 'namespace.add', name }]);
    const attachments = await cycles(kernel, campaign, host, inside);
    const descriptors = await manyNamespaces(kernel, campaign, many);
    return { attachments, 'descriptors at most': descriptors };
  } finally {
    await kernel.teardown([host, ...inside, ...many].map((name) => ({ op: 'namespace.delete', name })));
    await kernel.close();
  }
});
