/**
 * What a packed value begins with, on its way to the addon and back. Counts and lengths are of 32 bits; names in maps are texts
 * without the tag; numbers are little-endian. On the way back, texts are numbered: see src/kernel/unpack.ts.
 */
export enum Tag {
  /** Also what is undefined: it counts as not given. */
  null = 0,
  false = 1,
  true = 2,
  int32 = 3,
  double = 4,
  int64 = 5,
  uint64 = 6,
  /** Length in bytes, UTF-8. */
  text = 7,
  /** Length, bytes. */
  bytes = 8,
  /** Count, values. */
  list = 9,
  /** Count, and a name and a value each. */
  map = 10,
  /** Length, and a description in words of what no message can hold. */
  unsupported = 11,
}
