/**
 * Addresses where clouds tell a machine about itself, credentials included: the link-local range (most use
 * 169.254.169.254), and addresses of Azure and Alibaba Cloud.
 */
export const METADATA_ADDRESSES = ['169.254.0.0/16', '168.63.129.16', '100.100.100.200'] as const;

/** True for an address that instances may not reach unless `allowMetadata` is set. */
export const isMetadataAddress = (address: string): boolean =>
  METADATA_ADDRESSES.some((each) => each === address) || address.startsWith('169.254.');
