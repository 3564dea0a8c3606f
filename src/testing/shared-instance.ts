import type { Application } from "../instance/application.ts";
import { type StartTestInstance, startTestInstance, type TestInstance } from "./instance.ts";
import { openRegion } from "./region.ts";
import { testServer } from "./server.ts";
import { Shared } from "./shared.ts";

/** What a test left unanswered for so long is cut off. */
const graceMilliseconds = 500;

/** One for the process, open while an instance is. */
const region = new Shared(
  async () => {
    const { folder, endpoint } = await testServer();
    return openRegion(folder, endpoint);
  },
  (opened) => opened.close(),
);

const instances = new WeakMap<Application, Map<string, Shared<TestInstance>>>();

/** The one instance that serves all tenants with the same application, config, region and folder. */
export function sharedInstance(wish: Omit<StartTestInstance, "region">): Shared<TestInstance> {
  const ofApplication = instances.get(wish.application) ?? new Map<string, Shared<TestInstance>>();
  instances.set(wish.application, ofApplication);
  const key = JSON.stringify([wish.config, wish.regionName, wish.folder]);
  const shared = ofApplication.get(key) ?? new Shared(() => open(wish), close);
  ofApplication.set(key, shared);
  return shared;
}

async function open(wish: Omit<StartTestInstance, "region">): Promise<TestInstance> {
  const opened = await region.acquire();
  try {
    return await startTestInstance({ ...wish, region: opened });
  } catch (error) {
    await region.release();
    throw error;
  }
}

async function close(instance: TestInstance): Promise<void> {
  await instance.running.stop(graceMilliseconds);
  await region.release();
}
