// Each Node.js process with the sanitizer's run-time library imports this module (scripts/test-asan.mjs). It removes the
// library from the environment of child processes: other programs are not built for it, and dnsmasq hangs with it. Child
// processes that run Node.js preload the library again.
delete process.env.LD_PRELOAD;
process.execPath = process.env.VETHWORK_TEST_NODE ?? process.execPath;
