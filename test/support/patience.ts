/** Factor for timeouts: addons with sanitizers are slow (scripts/test-asan.mjs). */
const slowness = Number(process.env.VETHWORK_TEST_SLOWNESS ?? 1);

/** Timeout in milliseconds that only detects hanging. @param milliseconds a sufficient time on an ordinary machine */
export function patience(milliseconds: number): number {
  return milliseconds * slowness;
}
