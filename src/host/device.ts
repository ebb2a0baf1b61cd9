import { isMac } from '../ipam/mac.js';
import type { Link } from '../kernel/link/index.js';
import type { DesiredAttachment } from '../plan/desired.js';

/** Returns the attachment of a device, with the settings to be restored when it is detached. */
export function deviceAttachment({
  name,
  index,
  address,
  mtu,
  up,
  group,
  ipv6Disabled,
}: Link): Extract<DesiredAttachment, { kind: 'device' }> {
  const ipv6 = ipv6Disabled === undefined ? {} : { ipv6: !ipv6Disabled };
  return { kind: 'device', name, index, ...(isMac(address) && { mac: address }), before: { mtu, up, group, ...ipv6 } };
}
