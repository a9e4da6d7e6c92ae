// Loaded before anything else: SIGUSR1, at which Node would open an inspector on TCP, does nothing.
process.on("SIGUSR1", () => undefined);
