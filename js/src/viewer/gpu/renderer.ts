import type { Vec3 } from "../../core/vec3.ts";
import { boxOnPanel, type DeviceRect, deviceRect, pixelToVoxel } from "../camera.ts";
import type { LayerView } from "../layerView.ts";
import type { View } from "../neededBricks.ts";
import type { Panel } from "../planes.ts";
import { fragmentShader, PLANE_VERTEX, type Variant, variantKey } from "../shaders/index.ts";
import { isShown } from "../streamer.ts";
import type { LayerState, ViewerState } from "../types.ts";
import { textureKind } from "../voxels.ts";
import { LayerTextures, type UploadBudget } from "./layerTextures.ts";
import { Program } from "./program.ts";
import { setColor, setLevels, setPlane, setSegmentation, setTextures } from "./uniforms.ts";

/** Bytes of bricks on the GPU, all layers together. They are only taken as the view needs them. */
const GPU_BYTES = 512 * 2 ** 20;
const UPLOAD_MS = 8;
const UPLOAD_BYTES = 32 * 2 ** 20;
const HATCH_CSS_PIXELS = 12;

export interface Frame {
  view: View;
  state: ViewerState;
  /** Per layer the segment under the pointer, 0 for none. */
  hovered: ReadonlyMap<string, bigint>;
  /** Of the canvas, in device pixels. */
  height: number;
}

interface PanelPlace {
  panel: Panel;
  rect: DeviceRect;
  perDevicePixel: Vec3;
}

/** Everything on the GPU. After a context was lost and restored, a new one is made. */
export class Renderer {
  private readonly programs = new Map<string, Program>();
  private readonly textures = new Map<LayerView, LayerTextures>();
  private readonly bytes: number;

  constructor(
    private readonly gl: WebGL2RenderingContext,
    layers: readonly LayerView[],
  ) {
    this.bytes = GPU_BYTES / Math.max(1, layers.length);
  }

  /** How many bricks of a layer a view may show. */
  limitOf(layer: LayerView): number {
    return this.texturesOf(layer).limit;
  }

  /** Bring what has come onto the GPU, within a frame's time. Returns whether something is left. */
  upload(layers: readonly LayerView[]): boolean {
    const budget = new FrameBudget();
    let isMore = false;
    for (const layer of layers) {
      if (layer.needed.length === 0) continue;
      const bricks = [...layer.needed, ...layer.prefetched];
      const left = this.texturesOf(layer).sync(
        bricks,
        layer.level,
        (key) => layer.brick(key),
        budget,
      );
      isMore ||= left;
    }
    return isMore;
  }

  clearBricks(): void {
    for (const textures of this.textures.values()) textures.clear();
  }

  /** Draw the panels. Colour layers lie below segmentations; the first of an order lies on top. */
  draw(layers: readonly LayerView[], frame: Frame): void {
    const { gl } = this;
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.SCISSOR_TEST);
    gl.enable(gl.BLEND);
    const ordered = drawingOrder(layers, frame.state);
    for (const panel of frame.view.panels) {
      const { ratio, perPixel } = frame.view;
      const place: PanelPlace = {
        panel,
        rect: deviceRect(panel, ratio, frame.height),
        perDevicePixel: [perPixel[0] / ratio, perPixel[1] / ratio, perPixel[2] / ratio],
      };
      for (const layer of ordered) this.drawLayer(layer, place, frame);
    }
  }

  dispose(): void {
    for (const textures of this.textures.values()) textures.dispose();
    for (const program of this.programs.values()) program.dispose();
    this.textures.clear();
    this.programs.clear();
  }

  private drawLayer(layer: LayerView, place: PanelPlace, frame: Frame): void {
    const { gl } = this;
    const { plane } = place.panel;
    const { position, ratio } = frame.view;
    const area = boxOnPanel(layer.box, plane, place.rect, position, place.perDevicePixel);
    if (area === null) return;
    const program = this.programOf(layer, frame.state);
    gl.useProgram(program.handle);
    gl.viewport(place.rect.x, place.rect.y, place.rect.width, place.rect.height);
    gl.scissor(area.x, area.y, area.width, area.height);
    const at = pixelToVoxel(plane, place.rect, position, place.perDevicePixel);
    setTextures(gl, program, this.texturesOf(layer));
    setPlane(gl, program, plane, at);
    setLevels(gl, program, layer, at.base);
    gl.uniform1i(program.place("uMissingIsBlack"), frame.state.renderMissingDataBlack ? 1 : 0);
    gl.uniform1f(program.place("uHatch"), HATCH_CSS_PIXELS * ratio);
    this.setLook(program, layer, frame);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  private setLook(program: Program, layer: LayerView, { state, hovered }: Frame): void {
    const { gl } = this;
    const { name, category } = layer.spec;
    const look = state.layers[name] as LayerState;
    const opacity = look.opacity / 100;
    if (category === "segmentation") {
      gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
      setSegmentation(gl, program, opacity, hovered.get(name) ?? 0n);
      return;
    }
    // Where a colour layer has voxels the picture is opaque, on black: alpha always becomes 1.
    const isAdditive = state.blendMode === "additive";
    if (isAdditive) {
      gl.blendFunc(gl.ONE, gl.ONE);
    } else {
      gl.blendColor(0, 0, 0, opacity);
      gl.blendFuncSeparate(gl.CONSTANT_ALPHA, gl.ONE_MINUS_CONSTANT_ALPHA, gl.ONE, gl.ONE);
    }
    const range = look.intensityRange ?? layer.defaultRange;
    setColor(gl, program, look, range, isAdditive ? opacity : 1);
  }

  private texturesOf(layer: LayerView): LayerTextures {
    let textures = this.textures.get(layer);
    if (textures === undefined) {
      textures = new LayerTextures(this.gl, layer.spec, this.bytes);
      this.textures.set(layer, textures);
    }
    return textures;
  }

  private programOf({ spec }: LayerView, state: ViewerState): Program {
    const look = state.layers[spec.name] as LayerState;
    const isSegmentation = spec.category === "segmentation";
    const variant: Variant = {
      kind: textureKind(spec),
      isSegmentation,
      interpolate: !isSegmentation && look.interpolation,
      gamma: !isSegmentation && look.gamma !== 1,
    };
    const key = variantKey(variant);
    let program = this.programs.get(key);
    if (program === undefined) {
      program = new Program(this.gl, PLANE_VERTEX, fragmentShader(variant));
      this.programs.set(key, program);
    }
    return program;
  }
}

class FrameBudget implements UploadBudget {
  private readonly end = performance.now() + UPLOAD_MS;
  private bytes = UPLOAD_BYTES;

  get isSpent(): boolean {
    return this.bytes <= 0 || performance.now() > this.end;
  }

  spend(bytes: number): void {
    this.bytes -= bytes;
  }
}

/** From bottom to top. */
export function drawingOrder(layers: readonly LayerView[], state: ViewerState): LayerView[] {
  const rank = ({ spec }: LayerView) => {
    const place = state.layerOrder.indexOf(spec.name);
    const fromTop = place === -1 ? state.layerOrder.length : place;
    return (spec.category === "segmentation" ? 1e6 : 0) - fromTop;
  };
  return layers
    .filter(({ spec }) => isShown(state.layers[spec.name]))
    .sort((a, b) => rank(a) - rank(b));
}
