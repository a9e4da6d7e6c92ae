// What tacet.sh runs: lets Node read TypeScript, then hands over to tacet.ts. By itself it works too, unprotected.

try {
  const { register } = await import("tsx/esm/api");
  register();
} catch {
  console.error("npm packages are missing or not those of the lock file, type: npm install");
  process.exit(3);
}
await import("./tacet.ts");
