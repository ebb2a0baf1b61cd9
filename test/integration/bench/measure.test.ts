import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Contender, Peer } from '../../../src/bench/contender.js';
import { type Case, type Entrant, type Limits, measure } from '../../../src/bench/measure.js';
import type { Stage } from '../../../src/bench/stage.js';
import { VerificationError } from '../../../src/bench/verify.js';

const lan = { bridge: 'br0', gateway: '172.20.0.1', prefix: 16 };

/** Who writes down what it is asked. */
function entrant(name: string, diary: string[], own?: number): Entrant {
  const contender: Contender = {
    lan,
    cpu: () => 0,
    attach: async () => {
      diary.push(name);
      return own;
    },
    close: async () => undefined,
  };
  const peer: Peer = {
    name,
    title: name,
    description: '',
    inProcess: false,
    stays: true,
    most: 1000,
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

describe('how it is measured', () => {
  it('lets contenders take turns, the warm-up first and uncounted', async () => {
    const diary: string[] = [];
    const result = await measure(attachCase(), [entrant('a', diary, 5), entrant('b', diary, 7)], setting(3).limits);
    expect(diary.join('')).toBe('abababab');
    expect(result.contenders.map(({ peer, figures }) => [peer, figures.attach])).toEqual([
      ['a', { runs: 3, median: 5, min: 5, max: 5, cpu: 0 }],
      ['b', { runs: 3, median: 7, min: 7, max: 7, cpu: 0 }],
    ]);
  });

  it('warms up until time is up, and not for ever; who stays, at first in a scenario for longer', async () => {
    const diary: string[] = [];
    const { limits } = setting(1, { milliseconds: Number.POSITIVE_INFINITY });
    const entrants = [entrant('a', diary, 5)];
    const result = await measure(attachCase(), entrants, limits);
    expect(diary).toHaveLength(20 + 1);
    expect(result.contenders[0]?.figures.attach?.runs).toBe(1);
    await measure(attachCase(), entrants, limits);
    expect(diary).toHaveLength(20 + 1 + 2 + 1);
    await measure(attachCase(), entrants, { ...limits, warm: new WeakSet() });
    expect(diary).toHaveLength(20 + 1 + 2 + 1 + 20 + 1);
  });

  it('has no figure of a contender whose work is not there, and clears up after it', async () => {
    const diary: string[] = [];
    const [honest, liar] = [entrant('honest', diary), entrant('liar', diary)];
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
    expect(diary.filter((name) => name === 'liar')).toHaveLength(1);
    expect(cleared).toEqual(['cleared']);
  });

  it('drops the figures of runs that went well if a later one fails', async () => {
    let rounds = 0;
    const verify = async () => {
      rounds++;
      if (rounds === 3) throw new Error('gone');
    };
    const result = await measure(attachCase(verify), [entrant('a', [])], setting(5).limits);
    expect(result.contenders).toEqual([{ peer: 'a', figures: {}, failed: 'failed: gone' }]);
    expect(rounds).toBe(3);
  });

  it('stops with a slow contender after three runs, however many were asked for', async () => {
    const slow = async () => {
      await sleep(5);
    };
    const result = await measure(attachCase(slow), [entrant('a', [])], setting(50, { budget: 1 }).limits);
    expect(result.contenders[0]?.figures.attach?.runs).toBe(3);
  });

  it('leaves out who cannot do the work', async () => {
    const { attach: _, ...idle } = entrant('idle', []).contender;
    const result = await measure(
      attachCase(),
      [{ peer: entrant('idle', []).peer, contender: idle }],
      setting(1).limits,
    );
    expect(result.contenders).toEqual([]);
  });
});
