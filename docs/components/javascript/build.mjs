// Builds the component: `node build.mjs [OUTPUT]`. Takes app.js and the WIT files; writes one .wasm file.

import { componentize } from '@bytecodealliance/componentize-js';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const here = import.meta.dirname;
const contract = process.env.PFLOW_GATEWAY_WIT ?? join(here, '../../../wit');
const output = process.argv[2] ?? join(here, 'part.wasm');

// The tool wants one folder: our world, and what it refers to in deps/.
const wit = await mkdtemp(join(tmpdir(), 'wit-'));
try {
  await cp(join(here, 'wit'), wit, { recursive: true });
  await cp(join(contract, 'deps'), join(wit, 'deps'), { recursive: true });
  await cp(join(contract, 'gateway.wit'), join(wit, 'deps/gateway/gateway.wit'));
  const { component } = await componentize({
    sourcePath: join(here, 'app.js'),
    witPath: wit,
    worldName: 'part',
    // An incoming request's handler, which a gateway component has no use for.
    disableFeatures: ['fetch-event'],
  });
  await writeFile(output, component);
  console.log(`${output}: ${component.length} bytes`);
} finally {
  await rm(wit, { recursive: true });
}
