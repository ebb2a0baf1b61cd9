// Imported by each Node that runs with the sanitizer's run-time library (scripts/test-asan.mjs). The library is for that
// process: programs that it starts were not built for it, dnsmasq even hangs with it. Nodes that it starts get it again.
delete process.env.LD_PRELOAD;
process.execPath = process.env.VETHWORK_TEST_NODE ?? process.execPath;
