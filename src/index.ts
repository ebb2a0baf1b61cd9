export type { ClusterHostOptions } from './cluster/options.js';
export { type DiagnosisOptions, diagnose, type Finding } from './doctor/index.js';
export * from './errors.js';
export type { NamespaceRef } from './kernel/namespace.js';
export type * from './model/observation.js';
export type * from './model/types.js';
export { openHost } from './open-host.js';
export type { EtcdOptions } from './store/etcd/client.js';
export type { Json } from './store/store.js';
