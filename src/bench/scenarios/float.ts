import type { Contender, FloatSpec, NetworkSpec } from '../contender.js';
import { type Case, type Entrant, measure, timed } from '../measure.js';
import type { Scenario } from '../scenario.js';
import { verifyFloating, verifyNotFloating } from '../verify.js';
import { drained, nextNetwork } from './network.js';

const POSITIONS = [1, 200];
const QUICK_POSITIONS = [1, 20];

const canFloat = ({ contender }: Entrant) => contender.float !== undefined && contender.createNetwork !== undefined;

/** Assigns and removes a floating IP: the first of a network, and one more where many exist. */
export const float: Scenario = {
  name: 'float',
  title: 'Float and defloat an address',
  over: 'floating addresses of the network',
  run: async (setting) => {
    const entrants = setting.entrants.filter(canFloat);
    const places = new Map<Contender, { spec: NetworkSpec; floats: FloatSpec[]; existing: number }>();
    const cases = [];
    try {
      for (const [number, { peer, contender }] of entrants.entries()) {
        // The default of vethwork.
        const spec = nextNetwork(peer.name === 'model');
        const floats = Array.from({ length: Math.max(...POSITIONS) }, (_, index) => ({
          address: `10.200.${100 + number}.${1 + index}`,
          target: `172.30.1.${2 + index}`,
        }));
        await contender.createNetwork?.(spec);
        await contender.prepareFloats?.(spec, floats);
        places.set(contender, { spec, floats, existing: 0 });
      }
      for (const at of setting.quick ? QUICK_POSITIONS : POSITIONS) {
        setting.progress(`floating addresses: creating ${at - 1}`);
        for (const [contender, place] of places) {
          const { spec, floats, existing } = place;
          if (at - 1 > existing) await contender.float?.(spec, floats.slice(existing, at - 1));
          place.existing = at - 1;
        }
        cases.push(await measure(floatCase(at, places), entrants, setting));
      }
    } finally {
      for (const [contender, { spec }] of places) {
        await contender.deleteNetwork?.(spec);
        await contender.drain?.();
      }
    }
    return { cases };
  },
};

function floatCase(at: number, places: ReadonlyMap<Contender, { spec: NetworkSpec; floats: FloatSpec[] }>): Case {
  const place = (contender: Contender) => {
    const { spec, floats } = places.get(contender) as { spec: NetworkSpec; floats: FloatSpec[] };
    return [spec, floats.slice(at - 1, at)] as const;
  };
  return {
    name: `float-${at}`,
    at,
    title: at === 1 ? 'the first floating address' : `the ${at}th floating address`,
    can: canFloat,
    steps: [
      {
        figures: ['float'],
        work: async (contender) => [await timed(async () => contender.float?.(...place(contender)))],
        verify: (contender) => verifyFloating(...place(contender)),
      },
      {
        figures: ['defloat', 'gone'],
        work: async (contender) => {
          const defloat = await timed(async () => contender.defloat?.(...place(contender)));
          return [defloat, defloat + (await drained(contender))];
        },
        verify: (contender) => verifyNotFloating(...place(contender)),
      },
    ],
  };
}
