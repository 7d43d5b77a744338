import { decodeBrick } from "./decode.ts";

export interface DecodeRequest {
  id: number;
  size: number;
  bricks: { payload: Uint8Array<ArrayBuffer>; encoding: number }[];
}

/** A string in place of a brick says why it could not be decoded. */
export interface DecodeReply {
  id: number;
  bricks: (ArrayBuffer | string)[];
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<DecodeRequest>) => void;
  postMessage(reply: DecodeReply, transfer: Transferable[]): void;
};

scope.onmessage = async ({ data: { id, size, bricks } }) => {
  const decoded = await Promise.all(
    bricks.map(({ payload, encoding }) =>
      decodeBrick(payload, encoding, size).catch(
        (error: unknown) => `A stored brick is damaged: ${(error as Error).message}.`,
      ),
    ),
  );
  const buffers = decoded.filter((brick) => typeof brick !== "string");
  scope.postMessage({ id, bricks: decoded }, buffers);
};
