// graphql-codegen: types for the example operations, made from the server's introspection, and an app that is compiled
// with them.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { timeout, url } from "../shop.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

test("types of the operations, and an app that is compiled with them", { timeout: 4 * timeout }, (t) => {
  // Below node_modules, so that the generated code finds its packages.
  const folder = mkdtempSync(here("node_modules/.codegen-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const scalars = { Date: "string", DateTime: "string", StationCode: "string" };
  const types = { enumsAsTypes: true, scalars, strictScalars: true, useTypeImports: true };
  const config = {
    // Its fetch asks for gzip and zstd alike, also on a Node before 22.15, which cannot read zstd.
    schema: [url],
    documents: here("../operations/*.graphql"),
    generates: {
      [join(folder, "schema.ts")]: { plugins: ["typescript"], config: types },
      [join(folder, "made.ts")]: { plugins: ["typescript-operations", "typed-document-node"], config: types },
    },
  };
  writeFileSync(join(folder, "codegen.json"), JSON.stringify(config));
  run("@graphql-codegen/cli/esm/bin.js", ["--config", join(folder, "codegen.json")]);

  copyFileSync(here("codegen/app.ts"), join(folder, "app.ts"));
  const compilerOptions = { strict: true, noEmit: true, module: "esnext", moduleResolution: "bundler", types: [] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["app.ts", "schema.ts"] }));
  run("typescript/bin/tsc", ["--project", folder]);
});

function run(program, arguments_) {
  try {
    execFileSync(process.execPath, [here(`node_modules/${program}`), ...arguments_], { encoding: "utf8" });
  } catch (error) {
    assert.fail(`${program}: ${error.stdout}${error.stderr}`);
  }
}
