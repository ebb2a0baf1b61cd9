export type * from './command.js';
export type * from './expression.js';
