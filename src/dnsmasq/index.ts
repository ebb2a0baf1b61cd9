export { checkConfig, type RenderedConfig, renderConfig } from './config.js';
export type { DnsmasqKernel } from './instance.js';
export { type Lease, parseLeases } from './lease.js';
export { type RuntimePaths, runtimePaths, runtimeRoot, runtimeRootOf } from './paths.js';
export { buildRelease } from './release.js';
export { findRuntimeRoots } from './roots.js';
export { type CurrentConfig, DnsmasqSupervisor, type SupervisorEvent, type SupervisorOptions } from './supervisor.js';
export type { DnsmasqConfig, Reservation } from './types.js';
export { type Account, accountProblem, findAccount, type Reader } from './user.js';
