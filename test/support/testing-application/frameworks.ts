import { Hono } from "hono";
import { express } from "../../../src/express.ts";
import { hono } from "../../../src/hono.ts";

export const honoApplication = hono(new Hono(), { name: "notes" });
export const expressApplication = express(() => {}, { name: "notes" });
