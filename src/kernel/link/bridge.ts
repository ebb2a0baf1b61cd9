/** A bridge's own options (ip-link(8), `type bridge`). Times are in seconds. */
export interface BridgeOptions {
  stp?: boolean;
  forwardDelay?: number;
  helloTime?: number;
  maxAge?: number;
  ageingTime?: number;
  priority?: number;
  vlanFiltering?: boolean;
  groupForwardMask?: number;
  multicastSnooping?: boolean;
  multicastRouter?: number;
  multicastQuerier?: boolean;
  nfCallIptables?: boolean;
  nfCallIp6tables?: boolean;
  nfCallArptables?: boolean;
}

/** A port's options within its bridge (bridge(8), `link set`). */
export interface BridgePortOptions {
  state?: 'disabled' | 'listening' | 'learning' | 'forwarding' | 'blocking';
  priority?: number;
  cost?: number;
  hairpin?: boolean;
  guard?: boolean;
  learning?: boolean;
  flood?: boolean;
  multicastFlood?: boolean;
  broadcastFlood?: boolean;
  neighbourSuppression?: boolean;
  isolated?: boolean;
}
