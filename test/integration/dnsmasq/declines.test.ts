import { appendFile, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DeclinedAddresses } from '../../../src/dnsmasq/declined.js';
import { DeclineBackoff } from '../../../src/dnsmasq/declines.js';

describe('the backoff of restored addresses', () => {
  test('starts without delay, doubles up to a maximum, and is reset after a long quiet time', () => {
    let now = 0;
    const declines = new DeclineBackoff(() => now);
    const waits = Array.from({ length: 8 }, () => {
      const began = now;
      while (!declines.areDue(['172.16.0.2'])) now += 1000;
      declines.restored(['172.16.0.2']);
      return (now - began) / 1000;
    });
    expect(waits).toEqual([0, 10, 20, 40, 80, 160, 300, 300]);
    expect(declines.areDue(['172.16.0.2'])).toBe(false);
    now += 3_600_000;
    declines.restored(['172.16.0.9']);
    declines.restored(['172.16.0.2']);
    now += 10_000;
    expect(declines.areDue(['172.16.0.2'])).toBe(true);
  });

  test('of one address does not delay others, and ends without a further event', () => {
    let now = 0;
    const declines = new DeclineBackoff(() => now);
    declines.restored(['172.16.0.2']);
    expect(declines.areDue(['172.16.0.2'])).toBe(false);
    expect(declines.areDue(['172.16.0.2', '172.16.0.3'])).toBe(true);
    declines.areDue(['172.16.0.2']);
    expect(declines.isDue).toBe(false);
    now = 10_000;
    expect(declines.isDue).toBe(true);
    declines.areDue([]);
    expect(declines.isDue).toBe(false);
  });
});

describe('declined addresses in the log', () => {
  let folder: string;
  let log: string;
  const time = 'Nov 28 05:03:36';
  const declined = (address: string) => `${time} dnsmasq-dhcp[7]: disabling DHCP static address ${address} for 10m\n`;
  const withheld = (address: string) =>
    `${time} dnsmasq-dhcp[7]: not using configured address ${address} because it was previously declined\n`;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vethwork-declined-'));
    log = join(folder, 'log');
  });
  beforeEach(() => rm(log, { force: true }));
  afterAll(() => rm(folder, { recursive: true }));

  test('are recognised in both messages, and in no text that clients control', async () => {
    const watch = new DeclinedAddresses(log);
    expect(watch.hasNewLines).toBe(false);
    expect(await watch.read()).toEqual([]);
    const said = `${time} dnsmasq-dhcp[7]: DHCPDECLINE(x) 172.16.0.9 ${declined('172.16.0.9')}`;
    await writeFile(log, `${said}${declined('172.16.0.2')}${withheld('172.16.0.3')}`);
    expect(watch.hasNewLines).toBe(true);
    expect(await watch.read()).toEqual(['172.16.0.2', '172.16.0.3']);
    expect(watch.hasNewLines).toBe(false);
  });

  test('are restored once, whichever process reads them', async () => {
    const [one, other] = [new DeclinedAddresses(log), new DeclinedAddresses(log)];
    await writeFile(log, declined('172.16.0.2'));
    expect(await one.read()).toEqual(['172.16.0.2']);
    await one.note();
    expect(one.hasNewLines).toBe(false);
    expect(await other.read()).toEqual([]);
    await appendFile(log, declined('172.16.0.2'));
    expect(await other.read()).toEqual(['172.16.0.2']);
  });

  test('are read from complete lines, and the log is bounded', async () => {
    const watch = new DeclinedAddresses(log);
    const line = declined('172.16.0.2');
    await writeFile(log, line.slice(0, 70));
    expect(await watch.read()).toEqual([]);
    await appendFile(log, line.slice(70));
    expect(await watch.read()).toEqual(['172.16.0.2']);
    await appendFile(log, withheld('172.16.0.2').repeat(2000) + declined('172.16.0.4'));
    expect(await watch.read()).toEqual(['172.16.0.2', '172.16.0.4']);
    expect((await stat(log)).size).toBe(0);
    await appendFile(log, declined('172.16.0.5'));
    expect(await watch.read()).toContain('172.16.0.5');
  });
});
