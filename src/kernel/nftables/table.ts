import { reading } from '../../input.js';
import { checkList, checkName, checkObject, checkWord } from './check.js';
import type { ChainHook, NftCommand } from './command.js';
import type { Expression } from './expression.js';
import type { NftFamily, SetElement, SetSpec, SetTypes } from './set.js';

/** Rules in order. The key of each is its comment, which says what it is for; the value is its matches and statements. */
export type NftRules = Record<string, Expression[][]>;

const FAMILIES = ['ip', 'ip6', 'inet', 'arp', 'bridge', 'netdev'] as const satisfies readonly NftFamily[];

/**
 * Builds the commands of one table for an `nftables.batch`, with its family and name given once. The builders check the
 * form of their arguments; the transaction checks the content.
 * @param table name, 1 to 255 bytes
 * @throws ValidationError, as all the builders do
 */
export function nftTable(family: NftFamily, table: string) {
  checkWord('family', family, FAMILIES);
  checkName('table', table);
  // The properties are written out: an object that starts with a spread takes about fifteen times the memory in V8.
  const rulesOf = (chain: string, rules: NftRules): NftCommand[] =>
    readRules(rules).map(([comment, expressions]) => ({
      command: 'rule.add',
      family,
      table,
      chain,
      expressions,
      comment,
    }));
  return {
    /** Adds the table if it does not exist. Like `nft add table`. */
    add: (): NftCommand => ({ command: 'table.add', family, name: table }),
    /** Deletes the table and its content. Like `nft delete table`. */
    delete: (): NftCommand => ({ command: 'table.delete', family, name: table }),
    /** Adds a set, or a map if `dataType` is given. Like `nft add set` and `nft add map`. */
    set: (name: string, spec: SetSpec): NftCommand => {
      checkName('name', name);
      checkObject('spec', spec);
      return reading('spec', spec, () => ({ command: 'set.add', family, table, name, ...spec }));
    },
    /** Adds a base chain and its rules. Like `nft add chain` with a hook, and `nft add rule`. */
    chain: (name: string, hook: ChainHook, rules: NftRules): NftCommand[] => {
      checkName('name', name);
      checkObject('hook', hook);
      return [{ command: 'chain.add', family, table, name, hook }, ...rulesOf(name, rules)];
    },
    /** Adds a regular chain, the target of jumps, and its rules. Like `nft add chain` without a hook. */
    subchain: (name: string, rules: NftRules): NftCommand[] => {
      checkName('name', name);
      return [{ command: 'chain.add', family, table, name }, ...rulesOf(name, rules)];
    },
    /** Adds elements that must not exist, so that a roll-back deletes no others. Like `nft create element`. */
    addElements: (set: string, spec: SetTypes, elements: SetElement[]): NftCommand => {
      checkElements(set, spec, elements);
      const command = { command: 'element.add', family, table, set } as const;
      return reading('spec', spec, () => ({ ...command, ...spec, elements, exclusive: true }));
    },
    /** Deletes elements, which must exist. Their data may be absent. Like `nft delete element`. */
    deleteElements: (set: string, spec: SetTypes, elements: SetElement[]): NftCommand => {
      checkElements(set, spec, elements);
      return reading('spec', spec, () => ({ command: 'element.delete', family, table, set, ...spec, elements }));
    },
  };
}

function readRules(rules: NftRules): [comment: string, expressions: Expression[]][] {
  checkObject('rules', rules);
  return reading('rules', rules, () =>
    Object.entries(rules).map(([comment, parts]) => {
      checkList(`rules.${comment}`, parts, 'a list of matches and statements');
      return [comment, parts.flat() as Expression[]];
    }),
  );
}

function checkElements(set: string, spec: SetTypes, elements: SetElement[]): void {
  checkName('set', set);
  checkObject('spec', spec);
  checkList('elements', elements, 'a list of elements');
}
