/**
 * Tags of packed values, in both directions. Counts and lengths have 32 bits. Names in maps are texts without a tag.
 * Numbers are little-endian. From the addon, texts are numbered: see src/kernel/unpack.ts.
 */
export enum Tag {
  /** Also undefined, which counts as absent. */
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
  /** Count; a name and a value for each property. */
  map = 10,
  /** Length; description of a value that no message can represent. */
  unsupported = 11,
}
