// Preloaded before each of their test files: our transport and sodium, ready before anything asks for them.
import "../../embed/alias/register.ts";

// Not a static import, which would be resolved before the line above has run.
const { ready } = await import("sodium-universal");
await ready;
