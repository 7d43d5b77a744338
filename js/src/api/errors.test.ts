import { expect, test } from "vitest";
import { errorOf } from "./errors.ts";

test.each([
  [
    404,
    '{"messages":[{"error":"No such layer.","hint":"It has color.","code":"layerNotFound"}]}',
    "No such layer. It has color.",
  ],
  [400, '{"messages":[{"error":"Too many bricks."}]}', "Too many bricks."],
  [502, "<html>Bad gateway</html>", "The server answered 502."],
  [
    403,
    '{"message":"Forbidden"}',
    "The server answered 403. Log in to Jupyter again, in another tab, then run the cell again.",
  ],
  [404, "", "The server answered 404. Is wk_jupyter enabled on this Jupyter server?"],
  [500, "null", "The server answered 500."],
  [500, '{"messages":[]}', "The server answered 500."],
])("%d %s", async (status, body, message) => {
  const error = await errorOf(new Response(body, { status }));
  expect([error.status, error.message]).toEqual([status, message]);
});

test("the code is kept", async () => {
  const body = JSON.stringify({ messages: [{ error: "No.", code: "forbidden" }] });
  expect((await errorOf(new Response(body, { status: 403 }))).code).toBe("forbidden");
});
