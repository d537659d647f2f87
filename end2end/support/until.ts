// Waiting on a predicate over a value, with a bound. Tests never sleep for a fixed time.
import { setTimeout as pause } from "node:timers/promises";

/** Between two looks; short, since a look is a local request or a read of a variable. */
const PAUSE_MS = 25;

export interface UntilOptions {
  /** What is waited for, as the end of the sentence "timed out waiting for …". */
  what: string;
  timeoutMs: number;
}

/**
 * Calls `look` until it returns something other than `undefined` or `false`, and returns that.
 * What `look` throws ends the wait at once; a passing failure is for `look` itself to catch.
 */
export async function until<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
  { what, timeoutMs }: UntilOptions,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (Date.now() >= end) throw new Error(`timed out after ${timeoutMs} ms waiting for ${what}`);
    await pause(PAUSE_MS);
  }
}
