/** What a server answered instead of data: its words, and what to do next. */
export class ApiError extends Error {
  constructor(
    message: string,
    /** The HTTP status; 0 where no answer came. */
    readonly status: number,
    readonly code = "",
  ) {
    super(message);
    this.name = "ApiError";
  }
}

interface Said {
  messages?: { error?: unknown; hint?: unknown; code?: unknown }[];
}

const HINTS: Record<number, string> = {
  401: "Log in to Jupyter again, in another tab, then run the cell again.",
  403: "Log in to Jupyter again, in another tab, then run the cell again.",
  404: "Is wk_jupyter enabled on this Jupyter server?",
};

/** Make an error of an answer that is not 2xx. */
export async function errorOf(answer: Response): Promise<ApiError> {
  const { status } = answer;
  const said = (await answer.json().catch(() => null)) as Said | null; // a proxy's page is no JSON
  const { error, hint, code } = said?.messages?.[0] ?? {};
  if (typeof error !== "string") {
    return new ApiError(`The server answered ${status}. ${HINTS[status] ?? ""}`.trim(), status);
  }
  const text = typeof hint === "string" && hint !== "" ? `${error} ${hint}` : error;
  return new ApiError(text, status, typeof code === "string" ? code : "");
}
