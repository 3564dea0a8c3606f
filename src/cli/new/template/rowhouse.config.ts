import { defineConfig } from "rowhouse";

export default defineConfig({
  app: "./app.ts",
  domain: "guestbook.example",
  regions: {
    "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] },
  },
  plans: {
    starter: { isolation: "schema", requestsPerSecond: 50 },
    business: { isolation: "database", requestsPerSecond: 500 },
  },
  fleets: {
    app: { min: 2, max: 4 },
    worker: { min: 1, max: 2 },
  },
});
