/** What a server answered instead of data: its words, and what to do next. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly hint = "",
  ) {
    super(hint === "" ? message : `${message} ${hint}`);
    this.name = "ApiError";
  }
}

interface Message {
  error?: unknown;
  hint?: unknown;
}

/** Make an error of an answer that is not 2xx. */
export async function errorOf(answer: Response): Promise<ApiError> {
  let message: Message | undefined;
  try {
    message = ((await answer.json()) as { messages?: Message[] }).messages?.[0];
  } catch {
    // no JSON: a proxy's page, say
  }
  const text =
    typeof message?.error === "string" ? message.error : `the server answered ${answer.status}`;
  return new ApiError(text, answer.status, typeof message?.hint === "string" ? message.hint : "");
}
