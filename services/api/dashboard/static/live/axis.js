/** Where the lines of a chart's grid are. */

const TENS = [1, 2, 2.5, 5, 10];
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400];
const LINES = 4;
const TIMES_MS = [15, 30, 60, 120, 300, 600, 900, 1_800].map((seconds) => seconds * 1_000);
const LABEL_PX = 74;

/**
 * The distance of at most LINES lines up to a value.
 * @param {number} most @param {boolean} seconds whether they are times, whose round numbers are others
 */
export function step(most, seconds) {
  const least = Math.max(most, 1) / LINES;
  if (seconds) return SECONDS.find((one) => one >= least) || Math.ceil(least / 86_400) * 86_400;
  const ten = 10 ** Math.floor(Math.log10(least));
  const found = (TENS.find((one) => one * ten >= least) || 10) * ten;
  return Math.max(1, found % 1 ? Math.ceil(found) : found);
}

/** The times, in ms, that have a label between two. @param {number} begin @param {number} end @param {number} width px */
export function times(begin, end, width) {
  const every = TIMES_MS.find((one) => ((end - begin) / one) * LABEL_PX <= width) || TIMES_MS[TIMES_MS.length - 1];
  const found = [];
  for (let at = Math.ceil(begin / every) * every; at <= end; at += every) found.push(at);
  return found;
}
