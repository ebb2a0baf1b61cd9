import type { ChainHook, NftCommand, NftFamily, SetElement, SetSpec } from './command.js';
import type { Expression } from './expression.js';

/** By the comment that says what each is for. */
type Rules = Record<string, Expression[][]>;

/** Builds the commands of one table, so that its family and name are said once. */
export function nftTable(family: NftFamily, table: string) {
  const at = { family, table } as const;
  const rulesOf = (chain: string, rules: Rules): NftCommand[] =>
    Object.entries(rules).map(([comment, parts]) => ({
      ...at,
      command: 'rule.add',
      chain,
      expressions: parts.flat(),
      comment,
    }));
  return {
    add: (): NftCommand => ({ command: 'table.add', family, name: table }),
    delete: (): NftCommand => ({ command: 'table.delete', family, name: table }),
    set: (name: string, spec: SetSpec): NftCommand => ({ ...at, command: 'set.add', name, ...spec }),
    /** A base chain with its rules, each with the comment that says what it is for. */
    chain: (name: string, hook: ChainHook, rules: Rules): NftCommand[] => [
      { ...at, command: 'chain.add', name, hook },
      ...rulesOf(name, rules),
    ],
    /** A chain that others jump to. */
    subchain: (name: string, rules: Rules): NftCommand[] => [
      { ...at, command: 'chain.add', name },
      ...rulesOf(name, rules),
    ],
    /** None of them may be there yet, so that a roll-back takes away no other's. */
    addElements: (set: string, spec: SetTypes, elements: SetElement[]): NftCommand => ({
      ...at,
      command: 'element.add',
      set,
      ...spec,
      elements,
      exclusive: true,
    }),
    deleteElements: (set: string, spec: SetTypes, elements: SetElement[]): NftCommand => ({
      ...at,
      command: 'element.delete',
      set,
      ...spec,
      elements,
    }),
  };
}

type SetTypes = Pick<SetSpec, 'keyType' | 'dataType' | 'interval'>;
