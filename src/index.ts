export { type Adoption, type AdoptOptions, adoptHost } from './api/adopt.js';
export { openHost } from './api/open-host.js';
export type * from './api/types.js';
export type { ClusterHostOptions } from './cluster/options.js';
export { type DiagnosisOptions, diagnose, type Finding } from './doctor/index.js';
export * from './errors.js';
export type { NamespaceRef } from './kernel/namespace.js';
export type { EtcdOptions } from './store/etcd/client.js';
export type { Json } from './store/store.js';
