/** When to draw: in an animation frame, a few times a second at the most, and never while nobody looks. */

/**
 * @param {(() => void)[]} draws each in a frame of its own, so that none is missed
 * @param {number} least ms from one time to the next
 * @param {AbortSignal} signal
 * @returns {() => void} asks for it
 */
export function paced(draws, least, signal) {
  let [asked, drawn] = [false, 0];
  const act = (at = 0) => {
    if (signal.aborted) return;
    if (at === 0) [asked, drawn] = [false, performance.now()];
    draws[at]();
    if (at + 1 < draws.length) requestAnimationFrame(() => act(at + 1));
  };
  const ask = () => {
    if (asked || document.hidden) return;
    asked = true;
    setTimeout(() => requestAnimationFrame(() => act()), Math.max(0, drawn + least - performance.now()));
  };
  document.addEventListener('visibilitychange', ask);
  signal.addEventListener('abort', () => document.removeEventListener('visibilitychange', ask));
  return ask;
}
