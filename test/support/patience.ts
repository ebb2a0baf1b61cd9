/** How many times longer than usual anything may take here: addons with sanitizers are slow (scripts/test-asan.mjs). */
const slowness = Number(process.env.VETHWORK_TEST_SLOWNESS ?? 1);

/** A bound against hanging, in milliseconds, from what is more than enough on a usual machine. */
export function patience(milliseconds: number): number {
  return milliseconds * slowness;
}
