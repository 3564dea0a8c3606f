/** Time as a port, so that a test can move it. */
export interface Clock {
  now(): Date;
  /** Milliseconds on a clock that never goes back, from an arbitrary start. */
  elapsedMilliseconds(): number;
  /** Resolves after `milliseconds`; rejects with the signal's reason when aborted. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

/** Randomness and ids as a port, so that a test can seed them. */
export interface Random {
  bytes(length: number): Uint8Array;
  uuid(): string;
}
