import type { HostEvent } from '../api/observation.js';
import type { AttachOptions, CreateNetworkOptions, HostInfo, ReconcileProgress } from '../api/types.js';
import type { InterfaceRecord, NetworkRecord } from '../records/records.js';

export interface ReconcileRequest {
  dryRun: boolean;
  /** What it is done for, as noted with each repair. */
  cause: HostEvent['cause'];
  onProgress?: ((progress: ReconcileProgress) => void) | undefined;
  /** Nothing more is begun once it is aborted. */
  signal?: AbortSignal | undefined;
}

/** What is done to networks, from the checked or unchecked wish to the end: on one machine, or on the nodes of a cluster. */
export interface Actions {
  createNetwork(options: CreateNetworkOptions): Promise<NetworkRecord>;
  deleteNetwork(uuid: string): Promise<void>;
  /** @param isOnly unless another interface is recorded at the same place in the container */
  attach(network: string, options: AttachOptions, isOnly?: boolean): Promise<InterfaceRecord>;
  detach(nic: InterfaceRecord): Promise<void>;
  float(nic: InterfaceRecord, wanted: string | undefined): Promise<string>;
  defloat(nic: InterfaceRecord): Promise<void>;
  route(network: string, wanted: string | undefined): Promise<string>;
  unroute(network: string, address: string): Promise<void>;
  /** One ICMP echo from inside the network's namespace. */
  ping(network: string, address: string, timeout: number): Promise<number | undefined>;
  reconcile(request: ReconcileRequest): Promise<string[]>;
  /** Of a cluster. @throws ConflictError on a machine by itself */
  acceptStore(): Promise<void>;
  /** Networks whose namespaces are on this host. */
  namespaces(): Promise<string[]>;
  /** What there is to say about the host beyond what every host has. */
  describe(): Partial<HostInfo>;
  /** What was read may be outdated since then (ISO 8601); undefined while it is current. */
  asOf(): string | undefined;
  /** Has the host's own things removed and forgets it. @throws ConflictError while something of a network lives on it */
  tearDown(remove: () => Promise<void>): Promise<void>;
  /** Begins what goes on in the background. */
  start(): void;
  /** Ends it, and what it does at the moment. */
  stop(): Promise<void>;
}
