import type { ChainHook, NftCommand } from './command.js';
import type { Expression } from './expression.js';
import type { NftFamily, SetElement, SetSpec, SetTypes } from './set.js';

/** Rules in their order: each is named by its comment, which says what it is for, and is the matches and statements of it. */
export type NftRules = Record<string, Expression[][]>;

/**
 * Builds the commands of one table for an `nftables.batch`, so that its family and name are said once. Nothing is checked
 * before the transaction that holds them.
 * @param table its name, 1 to 255 bytes
 */
export function nftTable(family: NftFamily, table: string) {
  // Family and table are said each time: an object that begins with a spread takes V8 some fifteen times the memory.
  const rulesOf = (chain: string, rules: NftRules): NftCommand[] =>
    Object.entries(rules).map(([comment, parts]) => ({
      command: 'rule.add',
      family,
      table,
      chain,
      expressions: parts.flat(),
      comment,
    }));
  return {
    /** Makes the table, unless it is there. */
    add: (): NftCommand => ({ command: 'table.add', family, name: table }),
    /** Deletes the table with all it holds. */
    delete: (): NftCommand => ({ command: 'table.delete', family, name: table }),
    /** A set, or a map with `dataType`. */
    set: (name: string, spec: SetSpec): NftCommand => ({ command: 'set.add', family, table, name, ...spec }),
    /** A base chain with its rules, each with the comment that says what it is for. */
    chain: (name: string, hook: ChainHook, rules: NftRules): NftCommand[] => [
      { command: 'chain.add', family, table, name, hook },
      ...rulesOf(name, rules),
    ],
    /** A chain that others jump to. */
    subchain: (name: string, rules: NftRules): NftCommand[] => [
      { command: 'chain.add', family, table, name },
      ...rulesOf(name, rules),
    ],
    /** None of them may be there yet, so that a roll-back takes away no other's. */
    addElements: (set: string, spec: SetTypes, elements: SetElement[]): NftCommand => ({
      command: 'element.add',
      family,
      table,
      set,
      ...spec,
      elements,
      exclusive: true,
    }),
    /** All of them have to be there; data need not be given. */
    deleteElements: (set: string, spec: SetTypes, elements: SetElement[]): NftCommand => ({
      command: 'element.delete',
      family,
      table,
      set,
      ...spec,
      elements,
    }),
  };
}
