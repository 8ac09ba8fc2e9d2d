import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const outDir = join(import.meta.dirname, "dist");
const placeholder = "placeholder.txt"; // committed, so that `go build` can embed the folder before any build

// Vite's own emptying would delete the placeholder too, and a build would leave the work tree dirty.
function emptyOutDirButPlaceholder() {
  return {
    name: "empty-out-dir-but-placeholder",
    apply: "build",
    buildStart() {
      for (const name of readdirSync(outDir)) {
        if (name !== placeholder) rmSync(join(outDir, name), { recursive: true });
      }
    },
  };
}

// The server embeds the assets compressed only: the binary carries a quarter of the bytes, and nothing is compressed
// while serving. What is not an asset stays as it is: the page, by which the server knows that there is a bundle.
function compressAssets() {
  return {
    name: "compress-assets",
    apply: "build",
    closeBundle() {
      const assets = join(outDir, "assets");
      for (const name of readdirSync(assets)) {
        const path = join(assets, name);
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
        rmSync(path);
      }
    },
  };
}

export default defineConfig({
  base: "/playground/",
  plugins: [react(), emptyOutDirButPlaceholder(), compressAssets()],
  build: {
    outDir,
    emptyOutDir: false,
    // Every file apart, none as a data: or blob: URL, so that the Content-Security-Policy can stay strict.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Monaco is one editor; there is nothing to split that the page does not need at once.
    chunkSizeWarningLimit: 8192,
    // The bundle goes into the binary, so the licences of what is in it go with it.
    license: { fileName: "licenses.md" },
    rolldownOptions: {
      // GraphiQL's packages carry directives for a compiler that ran before they were published; bundling drops them,
      // rightly, and a build that is fine should say nothing.
      onLog(level, log, report) {
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") report(level, log);
      },
    },
  },
  worker: { format: "es" },
  server: {
    // `npm run dev` beside a running `interlock serve`.
    proxy: { "/graphql": { target: "http://localhost:8080", ws: true } },
  },
});
