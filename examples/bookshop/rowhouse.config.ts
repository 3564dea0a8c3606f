import { defineConfig } from "rowhouse";

export default defineConfig({
  app: "./app.ts",
  domain: "bookshop.example",
  target: "embedded",
  regions: {
    "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"], recovery: "eu-central-1" },
    "eu-central-1": { jurisdiction: "EU", zones: ["a", "b"], start: false },
    "us-east-1": { jurisdiction: "US", zones: ["a", "b"] },
  },
  plans: {
    starter: { isolation: "schema", requestsPerSecond: 50 },
    business: { isolation: "database", requestsPerSecond: 500 },
    enterprise: { isolation: "server" },
  },
  fleets: {
    app: { min: 2, max: 6, scaleOutAbove: 0.8, scaleInBelow: 0.1 },
    worker: { min: 1, max: 4, market: { spot: true, bid: 1.05, onDemandAfter: "5m" } },
  },
});
