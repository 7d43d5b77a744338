const TOKEN_PATIENCE_MS = 5_000;

/** Who we are to a server. A token is kept here, never in a widget's state. */
export class Session {
  private token: string | null = null;
  private tokenTold: Promise<void> = Promise.resolve();

  /** `base` ends with a slash. */
  constructor(readonly base: string) {}

  /**
   * Hold requests back until a token, or null, is handed to what is returned. After some seconds they go
   * without one: the kernel may be busy for hours, or not be there at all.
   */
  expectToken(patienceMs = TOKEN_PATIENCE_MS): (token: string | null) => void {
    let tell = () => {};
    this.tokenTold = new Promise((resolve) => {
      tell = resolve;
      setTimeout(resolve, patienceMs);
    });
    return (token) => {
      this.token = token;
      tell();
    };
  }

  /** Until then requests are held back. */
  get ready(): Promise<void> {
    return this.tokenTold;
  }

  /** What each request carries to be let in. */
  identity(): { headers: Record<string, string>; credentials: RequestCredentials } {
    if (this.token !== null) {
      return { headers: { "X-Auth-Token": this.token }, credentials: "omit" };
    }
    return { headers: this.pageHeaders(), credentials: "same-origin" };
  }

  /**
   * Every request, GET too, carries the XSRF cookie's value: a JupyterHub refuses cookies without it. The
   * page's own token goes to the page's own server alone.
   */
  private pageHeaders(): Record<string, string> {
    const headers: Record<string, string> = {};
    if (!this.base.startsWith(jupyterBase() ?? `${location.origin}/`)) return headers;
    const xsrf = document.cookie.match(/(?:^|;\s*)_xsrf=([^;]*)/)?.[1];
    if (xsrf !== undefined) headers["X-XSRFToken"] = decodeURIComponent(xsrf);
    const { token } = pageConfig();
    if (typeof token === "string" && token !== "") headers.Authorization = `token ${token}`;
    return headers;
  }
}

/** The Jupyter server's own address, as JupyterLab, Notebook 7, nbclassic and Voila tell it; with a slash. */
export function jupyterBase(): string | null {
  const found = pageConfig().baseUrl ?? document.body.dataset.baseUrl;
  if (typeof found !== "string") return null;
  const { href } = new URL(found, location.origin);
  return href.endsWith("/") ? href : `${href}/`;
}

function pageConfig(): Record<string, unknown> {
  const text = document.getElementById("jupyter-config-data")?.textContent;
  return text ? (JSON.parse(text) as Record<string, unknown>) : {};
}
