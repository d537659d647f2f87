// Loaded before Azurite. Its standard input is a pipe from the test: that it ends is the sign that the
// test has gone, whichever way, so that no emulator is ever left behind.
process.stdin.on('end', () => process.exit()).resume();
