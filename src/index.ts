export { type DiagnosisOptions, diagnose, type Finding } from './doctor/index.js';
export * from './errors.js';
export type { NamespaceRef } from './kernel/namespace.js';
export type * from './model/observation.js';
export { openHost } from './model/open-host.js';
export type * from './model/types.js';
export type { Json } from './store/store.js';
