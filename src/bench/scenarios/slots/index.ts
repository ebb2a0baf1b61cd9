import type { CaseResult } from '../../measure.js';
import type { Fact, Scenario } from '../../scenario.js';
import { churnFacts } from './churn.js';
import { claimFacts, refillFacts } from './claims.js';
import { openSame } from './common.js';
import { firstPacketFacts } from './first-packet.js';
import { manySlotsFacts } from './many-slots.js';

/** Claims of prepared interfaces, compared in one process with attaches, the floor of an attach, and a flush to disk. */
export const slots: Scenario = {
  name: 'slots',
  title: 'Claims of prepared interfaces',
  over: 'free slots',
  run: async (setting) => {
    const facts: Fact[] = [];
    const cases: CaseResult[] = [];
    for (const isDurable of [false, true]) {
      const host = await openSame(setting.stage, isDurable);
      try {
        const claims = await claimFacts(setting, host, isDurable);
        facts.push(...claims.facts);
        cases.push(claims.compared);
        if (isDurable) continue;
        facts.push(
          ...(await firstPacketFacts(setting, host)),
          ...(await refillFacts(setting, host)),
          ...(await churnFacts(setting, host)),
        );
        const many = await manySlotsFacts(setting, host);
        facts.push(...many.facts);
        cases.push(...many.curve);
      } finally {
        await host.close();
      }
    }
    return { cases, facts };
  },
};
