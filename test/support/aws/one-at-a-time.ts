/** What is used of a client of the SDK to put something around its calls. */
interface Stack {
  add(
    middleware: (
      next: (args: never) => Promise<unknown>,
      context: { readonly commandName?: string },
    ) => (args: never) => Promise<unknown>,
    options: { readonly step: "finalizeRequest"; readonly priority: "high"; readonly name: string },
  ): void;
}

/**
 * Lets a client make its calls of these commands one after the other. The emulator answers each call in a thread of its
 * own, and holds no lock between looking at what there is and changing it.
 */
export function oneAtATime(client: { readonly middlewareStack: unknown }, commands: readonly string[]): void {
  let last: Promise<unknown> = Promise.resolve();
  (client.middlewareStack as Stack).add(
    (next, context) => (args) => {
      if (!commands.includes(context.commandName ?? "")) return next(args);
      const call = last.then(() => next(args));
      last = call.catch(() => {});
      return call;
    },
    { step: "finalizeRequest", priority: "high", name: "oneAtATime" },
  );
}
