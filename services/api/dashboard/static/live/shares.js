/** Names with how often they came, as bars: so many places, whatever comes. */

import { element } from '../elements.js';
import { number } from '../format.js';
import { write } from './strip.js';

export class Shares {
  /** @param {string} title @param {number} places @param {number} colour of the theme's series */
  constructor(title, places, colour) {
    this.places = Array.from({ length: places }, () => {
      const [name, count, bar] = [element('span', { class: 'name' }), element('b', {}), element('i', { class: `series-${colour}` })];
      return { name, count, bar, row: element('li', { hidden: true }, name, count, bar) };
    });
    this.none = element('p', { class: 'quiet' }, 'No click within the last minute');
    this.element = element('div', {}, this.none,
      element('ul', { class: 'shares', 'aria-label': title }, ...this.places.map(({ row }) => row)));
  }

  /** The most frequent first; what has no place of its own is summed up in the last. @param {[string, number][]} ranked */
  draw(ranked) {
    const shown = folded(ranked, this.places.length);
    const all = shown.reduce((sum, [, count]) => sum + count, 0);
    this.none.hidden = all > 0;
    this.places.forEach(({ name, count, bar, row }, at) => {
      row.hidden = at >= shown.length;
      if (row.hidden) return;
      const [text, often] = shown[at];
      write(name, text);
      write(count, `${number(often)} · ${Math.round((often / all) * 100)} %`);
      bar.style.transform = `scaleX(${(often / Math.max(...shown.map(([, each]) => each))).toFixed(3)})`;
    });
  }
}

/** @param {[string, number][]} ranked @param {number} places @returns {[string, number][]} */
function folded(ranked, places) {
  if (ranked.length <= places) return ranked;
  const rest = ranked.slice(places - 1);
  return [...ranked.slice(0, places - 1), [`${rest.length} others`, rest.reduce((sum, [, count]) => sum + count, 0)]];
}
