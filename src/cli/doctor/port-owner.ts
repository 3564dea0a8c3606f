import { execFile } from "node:child_process";
import { readdir, readFile, readlink } from "node:fs/promises";
import { promisify } from "node:util";

/** A listening port, as `tcp` or `udp`. */
export interface Port {
  readonly protocol: "tcp" | "udp";
  readonly number: number;
}

/** The process that holds the port; `undefined` when that can't be seen, as for another user's process. */
export async function portOwner(port: Port): Promise<number | undefined> {
  return process.platform === "linux" ? ownerFromProc(port) : ownerFromLsof(port);
}

/** Source: proc(5), /proc/net/tcp: local address, state 0A (listen) or 07 (an unconnected UDP socket), inode. */
async function ownerFromProc({ protocol, number }: Port): Promise<number | undefined> {
  const suffix = `:${number.toString(16).toUpperCase().padStart(4, "0")}`;
  const state = protocol === "tcp" ? "0A" : "07";
  const inodes = new Set<string>();
  for (const file of [`/proc/net/${protocol}`, `/proc/net/${protocol}6`]) {
    for (const line of (await readFile(file, "latin1").catch(() => "")).split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(suffix) && fields[3] === state) inodes.add(`socket:[${fields[9]}]`);
    }
  }
  if (inodes.size === 0) return undefined;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const descriptor of descriptors) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => "");
      if (inodes.has(target)) return Number(pid);
    }
  }
  return undefined;
}

async function ownerFromLsof({ protocol, number }: Port): Promise<number | undefined> {
  const filter = protocol === "tcp" ? [`-iTCP:${number}`, "-sTCP:LISTEN"] : [`-iUDP:${number}`];
  const found = await promisify(execFile)("lsof", ["-nPt", ...filter]).catch(() => undefined);
  const pid = Number.parseInt(found?.stdout ?? "", 10);
  return Number.isNaN(pid) ? undefined : pid;
}
