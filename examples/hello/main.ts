import { Version } from "rustpatcher";
import "rustpatcher/auto";

console.log(`hello from ${Version.current() ?? "a development run"}, pid ${process.pid}`);

// A server would be running here.
setInterval(() => undefined, 60_000);
