import { describe, expect, it } from "vitest";
import { commandsOf, runDocCommand } from "./doc-commands.ts";

const place = { stateDirectory: "/nowhere", config: "/nowhere/rowhouse.config.ts", basePort: 19_080 };

describe("a page's commands", () => {
  it("are those of its sh blocks, in order, without comments", () => {
    const page = [
      ...["# Page", "```sh", "rowhouse status", "# why", "", "rowhouse tenant \\", "  list --json", "```"],
      ...[
        "```",
        "OUTPUT",
        "```",
        "- a list",
        "  ```sh",
        "  rowhouse down",
        "  ```",
        "```ts",
        "const x = 1;",
        "```",
      ],
    ].join("\n");
    expect(commandsOf(page)).toEqual(["rowhouse status", "rowhouse tenant list --json", "rowhouse down"]);
  });

  it("are run on the place they are given, in pipes too, with placeholders filled in", async () => {
    const result = await runDocCommand(place, "bin/rowhouse <verb> --json | grep -o E_[A-Z_]*", {
      "<verb>": "tenant list",
    });
    expect(result).toMatchObject({ stdout: "E_NOT_RUNNING\n" });
    const echoed = await runDocCommand(place, "echo http://acme.localhost:8080/ localhost:8091", {
      acme: "x",
    });
    expect(echoed).toMatchObject({ code: 0, stdout: "http://x.localhost:19080/ localhost:19091\n" });
  });

  it("are not run with a placeholder left", async () => {
    await expect(runDocCommand(place, "rowhouse backup <slug>")).rejects.toThrow("<slug>");
  });
});
