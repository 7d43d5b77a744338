import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { setCookie, tellPage } from "./pageTesting.ts";
import { jupyterBase, Session } from "./session.ts";

const OWN = `${location.origin}/user/ada/wk/`;

beforeEach(() => {
  tellPage({ baseUrl: "/user/ada/", token: "page-token" });
  setCookie("_xsrf", "2|abc|1%3D");
});

afterEach(() => {
  vi.useRealTimers();
});

test("the page's own server gets its cookies, the XSRF token and the page's token", () => {
  setCookie("other", "x_xsrf=wrong");
  expect(new Session(OWN).identity()).toEqual({
    headers: { "X-XSRFToken": "2|abc|1=", Authorization: "token page-token" },
    credentials: "same-origin",
  });
});

test.each([[{ baseUrl: "/user/ada/", token: "" }], [{ baseUrl: "/user/ada/" }]])(
  "the page %j has no token to tell",
  (config) => {
    tellPage(config);
    expect(new Session(OWN).identity().headers).toEqual({ "X-XSRFToken": "2|abc|1=" });
  },
);

test("without a cookie there is nothing to repeat", () => {
  setCookie("_xsrf", null);
  expect(new Session(OWN).identity().headers).toEqual({ Authorization: "token page-token" });
});

test.each([
  "https://elsewhere.example/",
  `${location.origin}/user/bob/wk/`, // another user's server on the same hub
  `${location.origin}/user/adam/wk/`,
])("the page's secrets do not go to %s", (base) => {
  expect(new Session(base).identity()).toEqual({ headers: {}, credentials: "same-origin" });
});

test("a server elsewhere gets its own token alone, once that is told", async () => {
  vi.useFakeTimers();
  const session = new Session("https://elsewhere.example/");
  const take = session.expectToken();
  const ready = vi.fn();
  session.ready.then(ready);
  await vi.advanceTimersByTimeAsync(4_999);
  expect(ready).not.toHaveBeenCalled();
  take("secret");
  await vi.advanceTimersByTimeAsync(0);
  expect(ready).toHaveBeenCalled();
  expect(session.identity()).toEqual({
    headers: { "X-Auth-Token": "secret" },
    credentials: "omit",
  });
});

test("where no token comes requests go without one; it counts as soon as it is there", async () => {
  vi.useFakeTimers();
  const session = new Session("https://elsewhere.example/");
  const take = session.expectToken();
  const ready = vi.fn();
  session.ready.then(ready);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(ready).toHaveBeenCalled();
  expect(session.identity().headers).toEqual({});
  take("late");
  expect(session.identity().headers).toEqual({ "X-Auth-Token": "late" });
});

test("the server's address is what the page says, in the ways of all Jupyter pages", () => {
  expect(jupyterBase()).toBe(`${location.origin}/user/ada/`);
  tellPage({ baseUrl: "/user/ada" });
  expect(jupyterBase()).toBe(`${location.origin}/user/ada/`);
  tellPage({ baseUrl: "http://127.0.0.1:9/x/" });
  expect(jupyterBase()).toBe("http://127.0.0.1:9/x/");
  tellPage(null);
  expect(jupyterBase()).toBeNull();
  document.body.dataset.baseUrl = "/classic/";
  expect(jupyterBase()).toBe(`${location.origin}/classic/`);
});

test("a page that is no Jupyter's sends the XSRF cookie to its own server alone", () => {
  tellPage(null);
  expect(new Session(`${location.origin}/wk/`).identity().headers).toEqual({
    "X-XSRFToken": "2|abc|1=",
  });
  expect(new Session("https://elsewhere.example/wk/").identity().headers).toEqual({});
});
