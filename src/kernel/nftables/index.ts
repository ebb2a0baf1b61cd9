export type * from './command.js';
export type * from './expression.js';
export * as nftKey from './key.js';
export * as match from './match.js';
export * as statement from './statement.js';
export * from './table.js';
