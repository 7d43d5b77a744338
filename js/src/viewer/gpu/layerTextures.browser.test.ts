import { expect, onTestFinished, test, vi } from "vitest";
import { brickKey } from "../brickAddress.ts";
import type { CachedBrick } from "../brickCache.ts";
import type { NeededBrick } from "../neededBricks.ts";
import { layerSpec } from "../testing.ts";
import { LayerTextures, type UploadBudget } from "./layerTextures.ts";
import { PAGE } from "./pages.ts";

const SLOT_BYTES = 32 ** 3;
const BRICK: CachedBrick = { status: "ok", data: new ArrayBuffer(SLOT_BYTES) };
const find = () => BRICK;

function unlimited(): UploadBudget {
  return { isSpent: false, spend: () => {} };
}

function limited(bricks: number): UploadBudget {
  let bytes = bricks * SLOT_BYTES;
  return {
    get isSpent() {
      return bytes <= 0;
    },
    spend: (used) => {
      bytes -= used;
    },
  };
}

function needs(from: number, count: number): NeededBrick[] {
  return Array.from({ length: count }, (_, i) => {
    const x = from + i;
    return { key: brickKey(0, x, 0, 0), level: 0, brick: [x, 0, 0], priority: i };
  });
}

function setup(slots: number) {
  const gl = document.createElement("canvas").getContext("webgl2") as WebGL2RenderingContext;
  const uploads = vi.spyOn(gl, "texSubImage3D");
  const textures = new LayerTextures(gl, layerSpec("uint8"), slots * SLOT_BYTES);
  onTestFinished(() => {
    textures.dispose();
    expect(gl.getError()).toBe(gl.NO_ERROR);
    gl.getExtension("WEBGL_lose_context")?.loseContext();
  });
  /** Bricks uploaded since the last call; pages are uploaded too, but are no cubes of 32. */
  const uploaded = () => {
    const count = uploads.mock.calls.filter((call) => call[5] === 32 && call[7] === 32).length;
    uploads.mockClear();
    return count;
  };
  const shown = () => [...textures.pages.words].filter((word) => word & PAGE.hasVoxels).length;
  return { gl, textures, uploaded, shown };
}

test("what is needed goes up once", () => {
  const { textures, uploaded, shown } = setup(64);
  expect(textures.sync(needs(0, 20), 0, find, unlimited())).toBe(false);
  expect([uploaded(), shown()]).toEqual([20, 20]);
  textures.sync(needs(5, 20), 0, find, unlimited());
  expect([uploaded(), shown()]).toEqual([5, 20]);
});

test("a budget stops the uploads, the most urgent first, and the rest follows", () => {
  const { textures, uploaded } = setup(64);
  expect(textures.sync(needs(0, 20), 0, find, limited(8))).toBe(true);
  expect(uploaded()).toBe(8);
  expect(textures.has(brickKey(0, 7, 0, 0))).toBe(true);
  expect(textures.has(brickKey(0, 8, 0, 0))).toBe(false);
  expect(textures.sync(needs(0, 20), 0, find, unlimited())).toBe(false);
  expect(uploaded()).toBe(12);
});

test("a budget that others spent still lets one brick through, so that every layer comes at last", () => {
  const { textures, uploaded } = setup(64);
  expect(textures.sync(needs(0, 3), 0, find, limited(0))).toBe(true);
  expect(uploaded()).toBe(1);
  expect(textures.sync(needs(0, 3), 0, find, limited(0))).toBe(true);
  expect(textures.sync(needs(0, 3), 0, find, limited(0))).toBe(false);
  expect(uploaded()).toBe(2);
});

test("the brick that was needed longest ago gives its slot away, none that is needed now", () => {
  const { textures, shown } = setup(64);
  expect(textures.limit).toBe(64);
  textures.sync(needs(0, 40), 0, find, unlimited());
  textures.sync(needs(100, 24), 0, find, unlimited());
  textures.sync(needs(0, 20), 0, find, unlimited()); // touches half of the first
  textures.sync(needs(200, 20), 0, find, unlimited());
  expect(textures.has(brickKey(0, 5, 0, 0))).toBe(true);
  expect(textures.has(brickKey(0, 25, 0, 0))).toBe(false);
  expect(textures.has(brickKey(0, 110, 0, 0))).toBe(true);
  textures.sync(needs(300, 80), 0, find, unlimited());
  expect(shown()).toBe(64);
});

test("the atlas grows with the need, and what it showed is there in the same frame", () => {
  const { textures, uploaded, shown } = setup(512);
  textures.sync(needs(0, 50), 0, find, unlimited());
  expect(textures.capacity).toBe(64);
  uploaded();
  expect(textures.sync(needs(0, 130), 0, find, limited(1))).toBe(false);
  expect(textures.capacity).toBeGreaterThanOrEqual(130);
  expect([uploaded(), shown()]).toEqual([130, 130]);
  textures.sync(needs(0, 600), 0, find, unlimited());
  expect(textures.capacity).toBe(512);
});

test("a GPU without room for more keeps what it has, and says that it is the limit", () => {
  const { gl, textures, shown } = setup(512);
  textures.sync(needs(0, 50), 0, find, unlimited());
  const storage = vi.spyOn(gl, "texStorage3D");
  const error = vi.spyOn(gl, "getError");
  error.mockImplementation(() => {
    const [, , , , , depth = 0] = storage.mock.lastCall ?? [];
    return depth > 32 ? gl.OUT_OF_MEMORY : gl.NO_ERROR;
  });
  textures.sync(needs(0, 130), 0, find, unlimited());
  error.mockRestore();
  expect([textures.limit, textures.capacity, shown()]).toEqual([64, 64, 64]);
});
