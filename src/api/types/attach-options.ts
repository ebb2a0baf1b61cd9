import type { NamespaceRef } from '../../kernel/namespace.js';
import type { Json } from '../../store/store.js';

/** Options of all kinds of attachment. */
export interface AttachCommon {
  /** IPv4 address. Default: a random free one. */
  address?: string;
  /** Unicast MAC, except `fe:…`: links of the host have those. Default: a random free `02:00:00:xx:xx:xx`. */
  mac?: string;
  /** Name of the instance for DHCP and DNS: one label, unique within its network, not `localhost`. Case is ignored. */
  hostname?: string;
  /** Position of this NIC in its instance, 0 to 1023. Default 0. */
  order?: number;
  /** NIC model, for information only. Default `virtio`. */
  model?: string;
  /** Id of the instance. With a fixed `address`, it may take an address again that it has released recently. */
  instance?: string;
  /**
   * Drop frames of the instance with another source MAC, IPv4 source address or ARP sender address than its own, DHCP
   * server messages, and IPv6. Default true.
   */
  antiSpoofing?: boolean;
  /**
   * Further IPv4 source addresses of the instance. Addresses that are routed into its network are allowed without this
   * option. Several interfaces may have the same one; an allowed address in the netblock is not assigned to any
   * interface. At most 256.
   */
  allowedAddresses?: string[];
  metadata?: Record<string, Json>;
  signal?: AbortSignal;
}

/** Options of an attach: exactly one of `tap`, `netns` and `device`. */
export type AttachOptions = AttachCommon &
  /** A new tap, for a virtual machine. */
  (
    | { tap: string /** User id that may open the tap. */; owner?: number; multiQueue?: boolean }
    /** A new veth pair with one end, `name`, in the namespace of a container. Default name `eth0`. */
    | {
        netns: NamespaceRef;
        name?: string;
        /**
         * Set address, routes and MTU, set the link and loopback up; with `antiSpoofing` also disable IPv6 on the link.
         * The default route has the metric `order`, or the next one that no other default route of the container has.
         * Default false: the link is down, and the container configures it.
         */
        configure?: boolean;
      }
    /** An existing link of the host. A detach restores its settings. */
    | { device: string }
  );
