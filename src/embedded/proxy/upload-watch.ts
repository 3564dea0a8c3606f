import type { IncomingMessage, ServerResponse } from "node:http";
import { isTooSlow } from "../../core/balancing/pace.ts";
import { fault } from "../../core/error.ts";
import { sendError } from "./answer.ts";

interface Upload {
  readonly response: ServerResponse;
  readonly bytesAtStart: number;
  bytesSeen: number;
  idleMilliseconds: number;
  waitedMilliseconds: number;
}

const sweepMilliseconds = 1000;

/** Ends requests whose bodies come in too slowly, with 408; one timer for all of them. */
export class UploadWatch {
  readonly #uploads = new Map<IncomingMessage, Upload>();
  #timer: NodeJS.Timeout | undefined;

  add(request: IncomingMessage, response: ServerResponse): void {
    const bytes = request.socket.bytesRead;
    this.#uploads.set(request, {
      response,
      bytesAtStart: bytes,
      bytesSeen: bytes,
      idleMilliseconds: 0,
      waitedMilliseconds: 0,
    });
    this.#timer ??= setInterval(() => this.#sweep(), sweepMilliseconds).unref();
  }

  #sweep(): void {
    for (const [request, upload] of this.#uploads) {
      if (request.complete || request.destroyed || request.socket.destroyed) {
        this.#uploads.delete(request);
      } else if (request.readableFlowing && this.#isTooSlow(request, upload)) {
        this.#uploads.delete(request);
        // An answer may have come before the body's end; then there is nothing left to say.
        if (upload.response.writableFinished) request.socket.destroySoon();
        else sendError(request, upload.response, fault("E_REQUEST_TIMEOUT"), { close: true });
      }
    }
    if (this.#uploads.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #isTooSlow(request: IncomingMessage, upload: Upload): boolean {
    const bytes = request.socket.bytesRead;
    upload.idleMilliseconds = bytes > upload.bytesSeen ? 0 : upload.idleMilliseconds + sweepMilliseconds;
    upload.waitedMilliseconds += sweepMilliseconds;
    upload.bytesSeen = bytes;
    return isTooSlow({ ...upload, receivedBytes: bytes - upload.bytesAtStart });
  }
}
