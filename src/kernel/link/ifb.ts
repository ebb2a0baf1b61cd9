/** Intermediate functional block (ip-link(8), `type ifb`): where incoming traffic is sent to be queued. No options. */
export type IfbOptions = Record<string, never>;
