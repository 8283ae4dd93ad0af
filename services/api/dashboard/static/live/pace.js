/** When to draw: in an animation frame, a few times a second at the most, and never while nobody looks. */

/** @param {() => void} draw @param {number} least ms from one to the next @param {AbortSignal} signal @returns {() => void} asks for it */
export function paced(draw, least, signal) {
  let [asked, drawn] = [false, 0];
  const act = () => {
    asked = false;
    if (signal.aborted) return;
    drawn = performance.now();
    draw();
  };
  const ask = () => {
    if (asked || document.hidden) return;
    asked = true;
    setTimeout(() => requestAnimationFrame(act), Math.max(0, drawn + least - performance.now()));
  };
  const seen = () => ask();
  document.addEventListener('visibilitychange', seen);
  signal.addEventListener('abort', () => document.removeEventListener('visibilitychange', seen));
  return ask;
}
