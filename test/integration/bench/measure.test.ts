import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Contender, Peer } from '../../../src/bench/contender.js';
import { type Case, type Entrant, type Limits, measure } from '../../../src/bench/measure.js';
import type { Stage } from '../../../src/bench/stage.js';
import { VerificationError } from '../../../src/bench/verify.js';

const lan = { bridge: 'br0', gateway: '172.20.0.1', prefix: 16 };

/** A contender that logs each attach. */
function entrant(name: string, log: string[], own?: number): Entrant {
  const contender: Contender = {
    lan,
    cpu: () => 0,
    attach: async () => {
      log.push(name);
      return own;
    },
    close: async () => undefined,
  };
  const peer: Peer = {
    name,
    title: name,
    description: '',
    inProcess: false,
    longRunning: true,
    maxInterfaces: 1000,
    missing: async () => undefined,
    open: async () => contender,
  };
  return { peer, contender };
}

function setting(runs: number, { budget = 60_000, milliseconds = 0 } = {}) {
  const cleared: string[] = [];
  const stage = { clear: async () => void cleared.push('cleared') } as unknown as Stage;
  const { signal } = new AbortController();
  const warmUp = { milliseconds, runs: 2 };
  const firstWarmUp = { milliseconds, runs: 20 };
  const limits: Limits = {
    runs,
    budget,
    warmUp,
    firstWarmUp,
    warm: new WeakSet(),
    signal,
    progress: () => undefined,
    stage,
  };
  return { limits, cleared };
}

const attachCase = (verify: (contender: Contender) => Promise<void> = async () => undefined): Case => ({
  name: 'attach',
  title: 'attach',
  can: ({ contender }) => contender.attach !== undefined,
  steps: [{ figures: ['attach'], work: async (contender) => [(await contender.attach?.([])) ?? 1], verify }],
});

describe('the measurement', () => {
  it('alternates the contenders and does not record the warm-up', async () => {
    const log: string[] = [];
    const result = await measure(attachCase(), [entrant('a', log, 5), entrant('b', log, 7)], setting(3).limits);
    expect(log.join('')).toBe('abababab');
    expect(result.contenders.map(({ peer, figures }) => [peer, figures.attach])).toEqual([
      ['a', { runs: 3, median: 5, min: 5, max: 5, cpu: 0 }],
      ['b', { runs: 3, median: 7, min: 7, max: 7, cpu: 0 }],
    ]);
  });

  it('limits the warm-up; the first one of a long-running peer in a scenario is longer', async () => {
    const log: string[] = [];
    const { limits } = setting(1, { milliseconds: Number.POSITIVE_INFINITY });
    const entrants = [entrant('a', log, 5)];
    const result = await measure(attachCase(), entrants, limits);
    expect(log).toHaveLength(20 + 1);
    expect(result.contenders[0]?.figures.attach?.runs).toBe(1);
    await measure(attachCase(), entrants, limits);
    expect(log).toHaveLength(20 + 1 + 2 + 1);
    await measure(attachCase(), entrants, { ...limits, warm: new WeakSet() });
    expect(log).toHaveLength(20 + 1 + 2 + 1 + 20 + 1);
  });

  it('has no figures for a contender that fails the verification, and removes its leftovers', async () => {
    const log: string[] = [];
    const [honest, liar] = [entrant('honest', log), entrant('liar', log)];
    const { limits, cleared } = setting(3);
    const verify = async (contender: Contender) => {
      if (contender === liar.contender) throw new VerificationError('eth0 is not up');
    };
    const result = await measure(attachCase(verify), [honest, liar], limits);
    expect(result.contenders[0]?.figures.attach?.runs).toBe(3);
    expect(result.contenders[1]).toEqual({
      peer: 'liar',
      figures: {},
      failed: 'verification failed: eth0 is not up',
    });
    expect(log.filter((name) => name === 'liar')).toHaveLength(1);
    expect(cleared).toEqual(['cleared']);
  });

  it('discards the figures of successful runs if a later run fails', async () => {
    let rounds = 0;
    const verify = async () => {
      rounds++;
      if (rounds === 3) throw new Error('gone');
    };
    const result = await measure(attachCase(verify), [entrant('a', [])], setting(5).limits);
    expect(result.contenders).toEqual([{ peer: 'a', figures: {}, failed: 'failed: gone' }]);
    expect(rounds).toBe(3);
  });

  it('stops measuring a slow contender after three runs', async () => {
    const slow = async () => {
      await sleep(5);
    };
    const result = await measure(attachCase(slow), [entrant('a', [])], setting(50, { budget: 1 }).limits);
    expect(result.contenders[0]?.figures.attach?.runs).toBe(3);
  });

  it('skips contenders that do not support the operation', async () => {
    const { attach: _, ...idle } = entrant('idle', []).contender;
    const result = await measure(
      attachCase(),
      [{ peer: entrant('idle', []).peer, contender: idle }],
      setting(1).limits,
    );
    expect(result.contenders).toEqual([]);
  });
});
