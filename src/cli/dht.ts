import { isIPv4 } from "node:net";
import { createBootstrapNodes } from "../swarm/bootstrap-node.ts";
import { SwarmError } from "../swarm/error.ts";
import { command, type Command } from "./command.ts";
import { usage } from "./error.ts";
import { JSON_ARGUMENT, report } from "./output.ts";
import { pause } from "../release/publish.ts";
import { BOOTSTRAP_VARIABLE, tryWholeNumber } from "./serving.ts";
import { untilStopped } from "./interrupt.ts";

const DEFAULT_HOST = "127.0.0.1";
/** HyperDHT's own default. */
const DEFAULT_PORT = "49737";
const PORT_MAX = 65_535;
const WILDCARD = "0.0.0.0";

export const dht: Command = command({
  meta: { name: "dht", description: "Run a bootstrap node for a private swarm" },
  args: {
    host: {
      type: "string",
      description: `IPv4 address of this machine that the others reach (default: ${DEFAULT_HOST})`,
    },
    port: {
      type: "string",
      description: `UDP port, 0 for any (default: ${DEFAULT_PORT}); for others than this machine the three after it, too`,
    },
    ...JSON_ARGUMENT,
  },
  async run({ args }) {
    const host = args.host ?? DEFAULT_HOST;
    if (!isIPv4(host) || host === WILDCARD) {
      throw usage("--host must be the IPv4 address at which the others reach this machine");
    }
    const wanted = tryWholeNumber(args.port ?? DEFAULT_PORT, 0, PORT_MAX);
    if (wanted === undefined) throw usage(`--port must be a number from 0 to ${PORT_MAX}`);
    const nodes = await createBootstrapNodes({ host, port: wanted }).catch((cause: unknown) => {
      throw cannotBind(host, wanted, cause);
    });
    try {
      const port = nodes[0].address()?.port ?? wanted;
      report(args.json === true, { host, port }, [
        `${host}:${port}`,
        `Others join by ${BOOTSTRAP_VARIABLE}=${host}:${port}`,
      ]);
      await untilStopped(forEver);
    } finally {
      for (const node of nodes.toReversed()) await node.destroy({ force: true });
    }
  },
});

function cannotBind(host: string, port: number, cause: unknown): SwarmError {
  const at = `${host}:${port}`;
  return new SwarmError(
    "DHT",
    `${at} cannot be used: it is taken, or not an address of this machine`,
    {
      blame: "local",
      cause,
    },
  );
}

const A_DAY_MS = 86_400_000;

async function forEver(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await pause(A_DAY_MS, signal);
}
