/** What is used of a client of the SDK to put something around its calls. */
interface Stack {
  add(
    middleware: (next: (args: never) => Promise<unknown>) => (args: never) => Promise<unknown>,
    options: { readonly step: "initialize"; readonly priority: "high"; readonly name: string },
  ): void;
}

/**
 * Lets the clients' process die, as it were, at the nth of all their calls together: that call and each one after it
 * fails, `before` it was sent or `after` it was carried out. Returns whether it came to that.
 */
export function dyingAt(
  clients: readonly { readonly middlewareStack: unknown }[],
  { call, moment }: { readonly call: number; readonly moment: "before" | "after" },
): () => boolean {
  let count = 0;
  for (const client of clients) {
    (client.middlewareStack as Stack).add(
      (next) => async (args) => {
        count++;
        if (count < call) return next(args);
        if (count === call && moment === "after") await next(args).catch(() => {});
        throw new Error("the process died here");
      },
      { step: "initialize", priority: "high", name: "death" },
    );
  }
  return () => count >= call;
}
