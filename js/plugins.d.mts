import type { Plugin as EsbuildPlugin } from "esbuild";
import type { Plugin as VitePlugin } from "vite";

export const inlineWorkers: { esbuild(inputs?: Set<string>): EsbuildPlugin; vite(): VitePlugin };
