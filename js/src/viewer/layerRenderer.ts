import { type Box, boxFromJson } from "../core/box.ts";
import { map3, type Vec3 } from "../core/vec3.ts";
import { BrickStore, type StoreLimits } from "./brickStore.ts";
import { BrickAtlas } from "./gpu/brickAtlas.ts";
import { SLOT_FAILED, SLOT_MISSING, type TableEntry } from "./gpu/hashTable.ts";
import { Program } from "./gpu/program.ts";
import type { Panel } from "./planes.ts";
import { fragmentShader, MAX_LEVELS, VERTEX_SHADER } from "./shaders.ts";
import type { BrickSource, LayerSpec, LayerState, ViewerState, VoxelValue } from "./types.ts";
import { BRICK, chooseLevel, type View, visibleBricks, type WantedBrick } from "./visibleBricks.ts";
import { textureKind, valueAt } from "./voxels.ts";

const ATLAS_BYTES = 128 * 2 ** 20;
const MIN_SLOTS = 64;
const UPLOAD_MS = 8;

/** The GPU's part of a layer; made anew when the context was lost or the element has grown. */
interface Gpu {
  atlas: BrickAtlas;
  program: Program;
}

/** One layer: what it needs for a view, its bricks in memory and on the GPU, and drawing it. */
export class LayerRenderer {
  readonly store: BrickStore;
  readonly box: Box;
  private gpu: Gpu | null = null;
  private wanted: WantedBrick[] = [];
  private level = 0;
  private tableKey = "";

  constructor(
    readonly layer: LayerSpec,
    source: BrickSource,
    private readonly state: () => ViewerState,
    changed: () => void,
    limits?: StoreLimits,
  ) {
    this.box = boxFromJson(layer.boundingBox);
    this.store = new BrickStore(
      layer,
      source,
      () => this.state().additionalCoordinates,
      changed,
      limits,
    );
  }

  get settings(): LayerState {
    return this.state().layers[this.layer.name] as LayerState;
  }

  get currentMag(): Vec3 {
    return this.layer.mags[this.level] ?? [1, 1, 1];
  }

  /** Whether all that the view needs is here and on the GPU. */
  isComplete(): boolean {
    if (this.store.isLoading) return false;
    return this.wanted.every(({ level, brick }) => {
      const found = this.store.get(level, brick);
      if (found === undefined || found.state === "wanted" || found.state === "loading")
        return false;
      return (
        found.state !== "ok" || this.gpu?.atlas.slotOf(BrickStore.key(level, brick)) !== undefined
      );
    });
  }

  /** Ask for what a view needs, and copy to the GPU what has come. Returns whether more is to be copied. */
  prepare(gl: WebGL2RenderingContext, view: View, slots: number): boolean {
    if (!this.settings.visible || this.settings.opacity === 0) {
      this.wanted = [];
      this.store.want([]);
      return false;
    }
    const { atlas } = this.ensureGpu(gl, slots);
    // Some slots stay free for what was in view a moment ago.
    const most = Math.max(MIN_SLOTS / 2, Math.floor(atlas.capacity * 0.9));
    this.level = chooseLevel(this.layer.mags, this.box, view, most);
    this.wanted = visibleBricks(this.layer.mags, this.box, view, most);
    this.store.want(this.wanted);
    return this.upload(atlas);
  }

  draw(gl: WebGL2RenderingContext, panel: Panel, view: View, canvasHeight: number): void {
    const { settings, gpu } = this;
    if (gpu === null || !settings.visible || settings.opacity === 0) return;
    const { program, atlas } = gpu;
    gl.useProgram(program.handle);
    atlas.bind();
    this.setTextures(gl, program, atlas);
    this.setGeometry(gl, program, panel, view, canvasHeight);
    this.setLook(gl, program, settings);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** The value at a voxel of mag 1, in the finest mag that has been loaded there. */
  valueAt(position: Vec3): VoxelValue | null {
    const last = Math.min(this.layer.mags.length, this.level + MAX_LEVELS);
    for (let level = this.level; level < last; level += 1) {
      const mag = this.layer.mags[level] as Vec3;
      const voxel = map3((a) => Math.floor(position[a] / mag[a]));
      const brick = this.store.get(
        level,
        map3((a) => Math.floor(voxel[a] / BRICK)),
      );
      if (brick?.state === "missing") return this.layer.dtype.endsWith("64") ? 0n : 0;
      if (brick?.data) {
        return valueAt(
          this.layer,
          brick.data,
          map3((a) => ((voxel[a] % BRICK) + BRICK) % BRICK),
        );
      }
    }
    return null;
  }

  clear(): void {
    this.store.clear();
    this.gpu?.atlas.clear();
    this.tableKey = "";
  }

  /** Forget the GPU's part without freeing it: the context is gone. */
  contextLost(): void {
    this.gpu = null;
    this.tableKey = "";
  }

  dispose(): void {
    this.store.close();
    this.releaseGpu();
  }

  private releaseGpu(): void {
    this.gpu?.atlas.dispose();
    this.gpu?.program.dispose();
    this.gpu = null;
    this.tableKey = "";
  }

  private ensureGpu(gl: WebGL2RenderingContext, slots: number): Gpu {
    const kind = textureKind(this.layer);
    const affordable = Math.floor(ATLAS_BYTES / (kind.bytes * BRICK ** 3));
    const wanted = Math.max(MIN_SLOTS, Math.min(slots, affordable));
    if (this.gpu !== null && this.gpu.atlas.capacity >= wanted) return this.gpu;
    this.releaseGpu();
    const isSegmentation = this.layer.category === "segmentation";
    this.gpu = {
      atlas: new BrickAtlas(gl, this.layer, wanted),
      program: new Program(gl, VERTEX_SHADER, fragmentShader({ kind, isSegmentation })),
    };
    return this.gpu;
  }

  private upload(atlas: BrickAtlas): boolean {
    const needed = new Set(this.wanted.map(({ level, brick }) => BrickStore.key(level, brick)));
    const entries: TableEntry[] = [];
    const started = performance.now();
    let isMore = false;
    for (const { level, brick } of this.wanted) {
      const key = BrickStore.key(level, brick);
      const found = this.store.bricks.get(key);
      if (found === undefined) continue;
      if (found.state === "missing") entries.push({ level, brick, slot: SLOT_MISSING });
      else if (found.state === "failed") entries.push({ level, brick, slot: SLOT_FAILED });
      if (found.data === null) continue;
      if (atlas.slotOf(key) === undefined) {
        if (performance.now() - started > UPLOAD_MS) {
          isMore = true;
          continue;
        }
        if (!atlas.upload(key, found.data, (other) => needed.has(other))) continue;
      }
      atlas.touch(key);
      entries.push({ level, brick, slot: atlas.slotOf(key) as number });
    }
    const key = entries.map(({ level, brick, slot }) => `${level}/${brick}:${slot}`).join(" ");
    if (key !== this.tableKey) {
      atlas.setTable(entries);
      this.tableKey = key;
    }
    return isMore;
  }

  private setTextures(gl: WebGL2RenderingContext, program: Program, atlas: BrickAtlas): void {
    gl.uniform1i(program.place("atlas"), 0);
    gl.uniform3i(program.place("atlasSlots"), ...atlas.slots);
    gl.uniform1i(program.place("table"), 1);
    gl.uniform1i(program.place("tableMask"), atlas.tableMask);
    gl.uniform1i(program.place("tableWidth"), atlas.tableWidth);
  }

  private setGeometry(
    gl: WebGL2RenderingContext,
    program: Program,
    panel: Panel,
    view: View,
    canvasHeight: number,
  ): void {
    const { plane, rect } = panel;
    const { ratio, perPixel, position } = view;
    const height = Math.round(rect.height * ratio);
    const bottom = canvasHeight - Math.round(rect.top * ratio) - height;
    const base = map3((a) => Math.floor(position[a]));
    // gl_FragCoord points to the middle of a pixel, so the corner is where the offset begins.
    const offset = map3((a) => {
      const inside = position[a] - base[a];
      if (a === plane.w) return inside;
      return inside - ((a === plane.u ? rect.width : rect.height) / 2) * perPixel[a];
    });
    const along = (axis: number): Vec3 => map3((a) => (a === axis ? perPixel[a] / ratio : 0));
    gl.uniform2f(program.place("panelOrigin"), Math.round(rect.left * ratio), bottom);
    gl.uniform1f(program.place("panelHeight"), height);
    gl.uniform3i(program.place("base"), ...base);
    gl.uniform3f(program.place("offset"), ...offset);
    gl.uniform3f(program.place("stepU"), ...along(plane.u));
    gl.uniform3f(program.place("stepV"), ...along(plane.v));
    gl.uniform3i(program.place("boxMin"), ...this.box.min);
    gl.uniform3i(program.place("boxMax"), ...this.box.max);
    gl.uniform3i(program.place("axes"), plane.u, plane.v, plane.w);
    const mags = this.layer.mags.slice(this.level, this.level + MAX_LEVELS);
    gl.uniform1i(program.place("levels"), mags.length);
    gl.uniform3iv(program.place("mags"), mags.flat());
    gl.uniform1iv(
      program.place("levelIds"),
      mags.map((_, i) => this.level + i),
    );
  }

  private setLook(gl: WebGL2RenderingContext, program: Program, settings: LayerState): void {
    const [low, high] = settings.intensityRange ?? [0, 255];
    const opacity = settings.opacity / 100;
    gl.uniform1i(program.place("interpolate"), settings.interpolation ? 1 : 0);
    gl.uniform1i(program.place("missingIsBlack"), this.state().renderMissingDataBlack ? 1 : 0);
    gl.uniform3f(program.place("color"), ...map3((a) => settings.color[a] / 255));
    gl.uniform1f(program.place("opacity"), opacity);
    gl.uniform2f(program.place("window"), low, high);
    gl.uniform1f(program.place("gammaValue"), settings.gamma);
    gl.uniform1i(program.place("inverted"), settings.inverted ? 1 : 0);
    const id = BigInt.asUintN(64, this.hoveredId);
    gl.uniform2ui(program.place("hovered"), Number(id & 0xffffffffn), Number(id >> 32n));
  }

  /** The segment under the pointer, drawn brighter; 0: none. */
  hoveredId = 0n;
}
