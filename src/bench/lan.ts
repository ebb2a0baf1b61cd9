/** Where a contender's interfaces are attached, as the verification expects it. */
export interface Lan {
  bridge: string;
  gateway: string;
  /** Length of the prefix of the instances' addresses. */
  prefix: number;
  /** What the tool does not do (in its favour), or leaves to another. */
  without?: readonly ('loopback' | 'default route')[];
}
