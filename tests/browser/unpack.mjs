// Unpacks the browser of @sparticuz/chromium into a folder: node unpack.mjs PACKAGE FOLDER.
// The package's own function unpacks into the system's temporary folder, where another user may have been before.
import { execFileSync } from "node:child_process";
import { createReadStream, createWriteStream, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";

const [bin, folder] = [join(process.argv[2], "bin"), process.argv[3]];
mkdirSync(folder, { recursive: true });
for (const name of readdirSync(bin).filter((name) => name.endsWith(".br"))) {
    const unpacked = join(folder, name.slice(0, -".br".length));
    const mode = name === "chromium.br" ? 0o755 : 0o644;
    await pipeline(createReadStream(join(bin, name)), createBrotliDecompress(), createWriteStream(unpacked, { mode }));
    if (unpacked.endsWith(".tar")) execFileSync("tar", ["-xf", unpacked, "-C", folder]);
}
