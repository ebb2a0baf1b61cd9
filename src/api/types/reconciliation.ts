/** A difference between the records and the node, and the result of its repair. */
export interface RepairResult {
  /** UUID of the network. Absent for the host itself. */
  network?: string;
  /** UUID of the interface. Absent if the repair is not about an interface. */
  interface?: string;
  /**
   * `create`: objects were missing. `remove`: objects were extraneous or orphaned. `recover`: an interrupted change was
   * undone or finished. `dnsmasq`: dnsmasq did not run, or had other files. `mark-lost`: the container or device of an
   * interface does not exist any more. `update-record`: the device of an interface exists again with another index.
   */
  action: 'create' | 'remove' | 'recover' | 'dnsmasq' | 'mark-lost' | 'update-record';
  /** Text for people. It may change between versions. */
  description: string;
  /** Error of the repair. Absent if it succeeded, and with `dryRun`. */
  error?: { code: string; message: string };
}

/** Options of `Host.reconcile`. */
export interface ReconcileOptions {
  /** Report the repairs without running them. Default false. */
  dryRun?: boolean;
  /** Called after each network. Several networks are reconciled concurrently. */
  onProgress?: (progress: ReconcileProgress) => void;
  /** After an abort, no further network is begun. */
  signal?: AbortSignal;
}

/** Progress of a reconciliation, after one network. */
export interface ReconcileProgress {
  /** UUID of the network. */
  network: string;
  /** Number of networks that are done. */
  done: number;
  /** Number of all networks. */
  total: number;
  /** Repairs of this network. */
  repairs: RepairResult[];
}

/** Options of `Host.watchDrift`. */
export interface DriftWatchOptions {
  /**
   * Minimum time between two reconciliations, in milliseconds. Default 1000. It is 10 times the duration of one, if
   * that is more.
   */
  interval?: number;
  /** Called with the results of a reconciliation that repaired something, or failed to. */
  onRepair?: (repairs: RepairResult[]) => void;
  /**
   * Called if a reconciliation failed as a whole; it is retried. Without this option, the error is emitted as a process
   * warning (`VethworkWarning`), once for each message.
   */
  onError?: (error: unknown) => void;
  /** Ends the watch. */
  signal?: AbortSignal;
}

/** A running watch for drift. */
export interface DriftWatch extends AsyncDisposable {
  /** Ends the watch, and waits for a running reconciliation. */
  close(): Promise<void>;
}
