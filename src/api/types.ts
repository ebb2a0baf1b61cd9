/* The public types of the package: options, information about objects, handles. */

export type * from './types/attach-options.js';
export type * from './types/counters.js';
export type * from './types/event.js';
export type * from './types/floating.js';
export type * from './types/host.js';
export type * from './types/host-info.js';
export type * from './types/host-options.js';
export type * from './types/interface.js';
export type * from './types/interface-info.js';
export type * from './types/migration.js';
export type * from './types/network.js';
export type * from './types/network-info.js';
export type * from './types/network-options.js';
export type * from './types/pool.js';
export type * from './types/reconciliation.js';
export type * from './types/remove-options.js';
