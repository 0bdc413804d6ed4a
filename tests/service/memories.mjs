// Reads the memories of a composed component while `jco serve` runs it: each part's core module has a memory of its own there.
// Loaded before anything else (`JCO_RUN_ARGS="--import FILE"`). Takes lines of JSON in MEMORIES_ASK: {"needles": {NAME: TEXT}}; writes for
// each which part holds which needle, how often, to MEMORIES_TOLD. Never changes what it looks at.
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";

// What only this part exports.
const PARTS = {
  front: "wasi:http/incoming-handler@",
  gateway: "pflow:gateway/discovery@",
  bridge: "pflow:gateway/log@",
  egress: "pflow:service/way-out@",
};
const found = [];

function note(module, instance) {
  const names = WebAssembly.Module.exports(module).map((one) => one.name.replace(/^cm32p2\|/, ""));
  const part = Object.keys(PARTS).find((part) => names.some((name) => name.startsWith(PARTS[part])));
  const memory = Object.values(instance.exports).find((one) => one instanceof WebAssembly.Memory);
  if (part && memory) found.push({ part, memory });
  else if (memory && WebAssembly.Module.exports(module).some((one) => one.kind === "memory")) found.push({ part: "other", memory });
}

const Instance = WebAssembly.Instance;
WebAssembly.Instance = new Proxy(Instance, {
  construct(target, [module, imports]) {
    const instance = new target(module, imports);
    note(module, instance);
    return instance;
  },
});
const instantiate = WebAssembly.instantiate;
WebAssembly.instantiate = async (what, imports) => {
  const done = await instantiate(what, imports);
  if (done instanceof Instance) note(what, done);
  else note(done.module, done.instance);
  return done;
};

function look(needles) {
  const told = {};
  for (const { part, memory } of found) {
    const bytes = Buffer.from(memory.buffer);
    const here = (told[part] ??= { memories: 0, bytes: 0, needles: {} });
    here.memories += 1;
    here.bytes += bytes.length;
    for (const [name, text] of Object.entries(needles)) {
      let count = 0;
      for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) count += 1;
      here.needles[name] = (here.needles[name] ?? 0) + count;
    }
  }
  return told;
}

const { MEMORIES_ASK: ask, MEMORIES_TOLD: told } = process.env;
setInterval(() => {
  if (!existsSync(ask) || found.length === 0) return;
  const { needles } = JSON.parse(readFileSync(ask, "utf8"));
  writeFileSync(told, JSON.stringify(look(needles)));
  rmSync(ask);
}, 50).unref();
