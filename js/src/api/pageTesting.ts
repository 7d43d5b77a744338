import { onTestFinished } from "vitest";

const ID = "jupyter-config-data";

/** Make the page of a test one of Jupyter's with this configuration, or null for any other, until the test ends. */
export function tellPage(config: Record<string, unknown> | null): void {
  forgetPage();
  if (config !== null) {
    const script = document.createElement("script");
    script.id = ID;
    script.type = "application/json";
    script.textContent = JSON.stringify(config);
    document.head.append(script);
  }
  onTestFinished(forgetPage);
}

/** Set a cookie, or take it away, until the test ends. */
export function setCookie(name: string, value: string | null): void {
  const remove = () => {
    // biome-ignore lint/suspicious/noDocumentCookie: cookieStore is not what pages read
    document.cookie = `${name}=; max-age=0; path=/`;
  };
  remove();
  // biome-ignore lint/suspicious/noDocumentCookie: cookieStore is not what pages read
  if (value !== null) document.cookie = `${name}=${value}; path=/`;
  onTestFinished(remove);
}

function forgetPage(): void {
  document.getElementById(ID)?.remove();
  delete document.body.dataset.baseUrl;
}
