/** Who we are to a server: headers for each request. A token is kept here, never in a widget's state. */
export class Session {
  /** Resolves when the token is there, where one is still to come. */
  ready: Promise<void> = Promise.resolve();

  constructor(
    readonly base: string,
    private token: string | null = null,
  ) {}

  setToken(token: string): void {
    this.token = token;
  }

  /**
   * Every request, GET too, carries the XSRF cookie's value: a JupyterHub refuses cookies without it.
   * The page's own token is only sent to the page's own server.
   */
  headers(): Record<string, string> {
    if (this.token !== null) return { "X-Auth-Token": this.token };
    if (new URL(this.base).origin !== location.origin) return {};
    const headers: Record<string, string> = {};
    const xsrf = document.cookie.match(/(?:^|;\s*)_xsrf=([^;]*)/)?.[1];
    if (xsrf !== undefined) headers["X-XSRFToken"] = decodeURIComponent(xsrf);
    const token = pageConfig().token;
    if (typeof token === "string" && token !== "") headers.Authorization = `token ${token}`;
    return headers;
  }

  credentials(): RequestCredentials {
    return this.token === null ? "same-origin" : "omit";
  }
}

export function pageConfig(): Record<string, unknown> {
  const text = document.getElementById("jupyter-config-data")?.textContent;
  return text ? (JSON.parse(text) as Record<string, unknown>) : {};
}

/** The Jupyter server's own address, as JupyterLab, Notebook 7, nbclassic and Voila tell it. */
export function jupyterBase(): string | null {
  const found = pageConfig().baseUrl ?? document.body.dataset.baseUrl;
  return typeof found === "string" ? new URL(found, location.origin).href : null;
}
