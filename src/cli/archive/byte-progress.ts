import { Transform } from "node:stream";
import type { Output } from "../output.ts";

const pauseMilliseconds = 1000;

/** Passes bytes on, and says once a second how many there were. */
export function byteProgress(output: Output, verb: string): Transform {
  let [bytes, shownAt] = [0, performance.now()];
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (performance.now() - shownAt > pauseMilliseconds) {
        shownAt = performance.now();
        output.progress(`${megabytes(bytes)} ${verb} …`);
      }
      done(null, chunk);
    },
  });
}

/** As people read it. */
export function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
