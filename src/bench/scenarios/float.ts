import type { Contender, FloatWish, NetworkWish } from '../contender.js';
import { type Case, type Entrant, measure, timed } from '../measure.js';
import type { Scenario } from '../scenario.js';
import { verifyFloating, verifyNotFloating } from '../verify.js';
import { nextNetwork } from './network.js';

const AT = [1, 200];
const QUICK_AT = [1, 20];

const canFloat = ({ contender }: Entrant) => contender.float !== undefined && contender.createNetwork !== undefined;

/** A floating IP is given and taken, as the first of its network and when there are many. */
export const float: Scenario = {
  name: 'float',
  title: 'Float and defloat an address',
  over: 'floating addresses of the network',
  run: async (setting) => {
    const entrants = setting.entrants.filter(({ peer }) => peer.name !== 'model-dhcp').filter(canFloat);
    const places = new Map<Contender, { wish: NetworkWish; floats: FloatWish[]; standing: number }>();
    const cases = [];
    try {
      for (const [number, { contender }] of entrants.entries()) {
        const wish = nextNetwork(false);
        const floats = Array.from({ length: Math.max(...AT) }, (_, index) => ({
          address: `10.200.${100 + number}.${1 + index}`,
          target: `172.30.1.${2 + index}`,
        }));
        await contender.createNetwork?.(wish);
        await contender.prepareFloats?.(wish, floats);
        places.set(contender, { wish, floats, standing: 0 });
      }
      for (const at of setting.quick ? QUICK_AT : AT) {
        setting.progress(`floating addresses: ${at - 1} that stay`);
        for (const [contender, place] of places) {
          const { wish, floats, standing } = place;
          if (at - 1 > standing) await contender.float?.(wish, floats.slice(standing, at - 1));
          place.standing = at - 1;
        }
        cases.push(await measure(floatCase(at, places), entrants, setting));
      }
    } finally {
      for (const [contender, { wish }] of places) await contender.deleteNetwork?.(wish);
    }
    return { cases };
  },
};

function floatCase(at: number, places: ReadonlyMap<Contender, { wish: NetworkWish; floats: FloatWish[] }>): Case {
  const place = (contender: Contender) => {
    const { wish, floats } = places.get(contender) as { wish: NetworkWish; floats: FloatWish[] };
    return [wish, floats.slice(at - 1, at)] as const;
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
        figures: ['defloat'],
        work: async (contender) => [await timed(async () => contender.defloat?.(...place(contender)))],
        verify: (contender) => verifyNotFloating(...place(contender)),
      },
    ],
  };
}
