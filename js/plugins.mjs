// `import source from "./x.worker.ts?worker-source"` gives a worker's bundled code as a string: workers
// start from a blob, so that they run the same wherever the code itself came from.
import { dirname, resolve } from "node:path";
import esbuild from "esbuild";

const SUFFIX = "?worker-source";

async function bundle(path) {
  const result = await esbuild.build({
    entryPoints: [path],
    bundle: true,
    write: false,
    minify: true,
    format: "iife",
    target: "es2022",
    legalComments: "none",
    metafile: true,
  });
  return { code: result.outputFiles[0].text, files: Object.keys(result.metafile.inputs) };
}

export const inlineWorkers = {
  /** `inputs` is told of every file that a worker is made of. */
  esbuild: (inputs = new Set()) => ({
    name: "inline-workers",
    setup(build) {
      build.onResolve({ filter: /\?worker-source$/ }, (args) => ({
        path: resolve(args.resolveDir, args.path.slice(0, -SUFFIX.length)),
        namespace: "worker-source",
      }));
      // As Vite has it: a style sheet as text.
      build.onResolve({ filter: /\.css\?inline$/ }, (args) => ({
        path: resolve(args.resolveDir, args.path.slice(0, -"?inline".length)),
      }));
      build.onLoad({ filter: /.*/, namespace: "worker-source" }, async (args) => {
        const { code, files } = await bundle(args.path);
        for (const file of files) inputs.add(file);
        return { contents: code, loader: "text", watchFiles: files.map((file) => resolve(file)) };
      });
    },
  }),
  vite: () => ({
    name: "inline-workers",
    enforce: "pre",
    resolveId(id, importer) {
      if (id.endsWith(SUFFIX) && importer) return `\0${resolve(dirname(importer), id)}`;
    },
    async load(id) {
      if (!id.startsWith("\0") || !id.endsWith(SUFFIX)) return null;
      const { code } = await bundle(id.slice(1, -SUFFIX.length));
      return `export default ${JSON.stringify(code)};`;
    },
  }),
};
