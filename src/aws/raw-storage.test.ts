import { rawStorageContract } from "../ports/raw-storage.contract.ts";
import { createGlobalRawStorage, createRawStorage } from "./raw-storage.ts";

const dispose = async () => {};

rawStorageContract("AWS, a region", async () => ({ storage: createRawStorage(), dispose }));
rawStorageContract("AWS, the control plane", async () => ({ storage: createGlobalRawStorage(), dispose }));
