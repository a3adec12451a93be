/** Command lines for --help and docs/CLI.md; a test holds them against what the commands take. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  gen: ["rustpatcher gen ./owner_key"],
  init: ["rustpatcher init"],
  build: ["rustpatcher build ./app.ts --outfile my-app --sign --key-file ./owner_key"],
  sign: [
    "rustpatcher sign ./my-app --key-file ./owner_key",
    "rustpatcher sign ./my-app --rollout 10% --notes @CHANGES.md --key-file ./owner_key",
  ],
  verify: ["rustpatcher verify ./my-app", "rustpatcher verify ./my-app --public-key <public key>"],
  inspect: ["rustpatcher inspect ./my-app --json"],
  status: ["rustpatcher status ./my-app", "rustpatcher status ./my-app --json"],
  publish: [
    "rustpatcher publish ./my-app --rollout 50% --key-file ./owner_key",
    "rustpatcher publish ./my-app",
    "rustpatcher publish ./my-app --previous ./releases/my-app-1.0.0",
    "rustpatcher publish ./my-app --until-peers 3 --bootstrap 127.0.0.1:49737",
  ],
  withdraw: [
    "rustpatcher withdraw 1.2.0 --key-file ./owner_key",
    "rustpatcher withdraw 1.2.0 --to ./releases/1.1.0/release.json",
  ],
  fetch: ["rustpatcher fetch <public key> --app my-app"],
  watch: [
    "rustpatcher watch <public key> --app my-app",
    "rustpatcher watch <public key> --app my-app --web --port 8787",
  ],
  doctor: ["rustpatcher doctor", "rustpatcher doctor ./my-app --bootstrap 127.0.0.1:49737"],
  dht: ["rustpatcher dht --host 127.0.0.1 --port 49737"],
  key: [
    "rustpatcher key show ./owner_key",
    "rustpatcher key encrypt ./owner_key",
    "rustpatcher key rotate ./owner_key ./new_key",
  ],
  complete: ["rustpatcher complete bash >> ~/.bashrc"],
};
