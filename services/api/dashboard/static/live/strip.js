/**
 * A strip of time that moves: lines or bars, drawn anew in place many times.
 *
 * plotly takes fifty times as long for a redraw, which would be seen (docs/dashboard.md). A strip has as many elements after an hour
 * as in the beginning: a path a series, four lines of the grid, and their labels.
 *
 * @typedef {{at: number, values: (number | null)[]}} Point  at, in ms, its values are known
 * @typedef {{name: string, colour: number, hidden?: boolean}} Series  colour: of the theme's series, from 1
 */

import { element, table } from '../elements.js';
import { step, times } from './axis.js';

const [LEFT, RIGHT, TOP, BOTTOM] = [46, 8, 8, 22];
const LINES = 5;
const LABELS = 12;
const NS = 'http://www.w3.org/2000/svg';

/** @param {string} name @param {Record<string, any>} properties @param {...Node} children */
function svg(name, properties, ...children) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(properties)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/**
 * @param {{
 *   title: string,
 *   series: Series[],
 *   kind: 'lines' | 'bars',
 *   format: (value: number) => string,
 *   axis?: (value: number) => string,
 *   seconds?: boolean,
 *   clock: (at: number) => string,
 *   height?: number,
 * }} strip  `format` of a value, `axis` of a shorter one; `seconds`: values are times
 */
export class Strip {
  /** @type {Point[]} */
  #points = [];
  #begin = 0;
  #end = 1;
  #every = 1_000;
  #width = 0;
  /** @type {number | null} x of the pointer */
  #pointed = null;

  /** @param {any} strip */
  constructor({ title, series, kind, format, axis = format, seconds = false, clock, height = 190 }) {
    Object.assign(this, { title, kind, format, axis, seconds, clock, height });
    /** @type {(Series & {path: Element, shown: HTMLElement})[]} */
    this.series = series.map((/** @type {Series} */ one) => ({
      ...one, path: svg('path', { class: `${kind} series-${one.colour}` }), shown: element('b', {}, '–'),
    }));
    this.grid = Array.from({ length: LINES }, () => [svg('line', { class: 'rule' }), svg('text', { class: 'value' })]);
    this.labels = Array.from({ length: LABELS }, () => svg('text', { class: 'time', y: height - 4 }));
    this.cross = svg('line', { class: 'cross', y1: TOP, y2: height - BOTTOM, visibility: 'hidden' });
    this.when = element('span', { class: 'when' });
    this.plot = svg('svg', { role: 'img', 'aria-label': `${title}, as a chart; a table follows`, height, width: '100%' },
      ...this.grid.flat(), ...this.labels, ...this.series.map(({ path }) => path), this.cross);
    this.element = element('figure', { class: 'strip' }, this.#legend(), this.plot, this.#table());
    this.#listen();
  }

  /** What there is from now on. @param {Point[]} points @param {number} begin @param {number} end @param {number} every all in ms */
  draw(points, begin, end, every) {
    [this.#points, this.#begin, this.#end, this.#every] = [points, begin, end, every];
    this.#redraw();
  }

  #legend() {
    const entries = this.series.map((one) => this.series.length === 1 ? one.shown : this.#toggle(one));
    return element('div', { class: 'legend' }, ...entries, this.when);
  }

  /** @param {Series & {path: Element, shown: HTMLElement}} one */
  #toggle(one) {
    const button = element('button', { type: 'button', class: 'toggle', 'aria-pressed': String(!one.hidden) },
      element('i', { class: `series-${one.colour}` }), one.name, one.shown);
    button.addEventListener('click', () => {
      one.hidden = !one.hidden;
      button.setAttribute('aria-pressed', String(!one.hidden));
      this.#redraw();
    });
    return button;
  }

  /** Its rows are made when it is opened, and stay as they are while they are read. */
  #table() {
    const made = element('details', {}, element('summary', {}, 'As a table'));
    made.addEventListener('toggle', () => {
      made.querySelector('.scroll')?.remove();
      if (/** @type {HTMLDetailsElement} */ (made).open) made.append(this.#rows());
    });
    return made;
  }

  #rows() {
    const columns = [{ title: 'Time' }, ...this.series.map(({ name }) => ({ title: name, number: true }))];
    const rows = [...this.#points].reverse().map(({ at, values }) => [this.clock(at), ...values.map((value) => this.#told(value))]);
    return table(columns, rows, this.title);
  }

  #listen() {
    new ResizeObserver(() => {
      this.#width = this.plot.clientWidth;
      this.#redraw();
    }).observe(this.plot);
    this.plot.addEventListener('pointermove', (event) => this.#point(event.offsetX));
    this.plot.addEventListener('pointerleave', () => this.#point(null));
  }

  /** @param {number | null} x */
  #point(x) {
    this.#pointed = x;
    this.#tell();
  }

  #x = (/** @type {number} */ at) =>
    LEFT + ((at - this.#begin) / (this.#end - this.#begin)) * (this.#width - LEFT - RIGHT);

  #redraw() {
    if (this.#width < LEFT + RIGHT + 20) return;
    const shown = this.series.flatMap(({ hidden }, at) => (hidden ? [] : [at]));
    const most = Math.max(0, ...this.#points.map(({ values }) => Math.max(...shown.map((at) => values[at] || 0))));
    const every = step(most, this.seconds);
    const top = Math.max(1, Math.ceil(most / every)) * every;
    const room = this.height - TOP - BOTTOM;
    const y = (/** @type {number} */ value) => TOP + room * (1 - value / top);
    this.#rule(every, top, y);
    this.#mark();
    this.series.forEach(({ path, hidden }, at) => path.setAttribute('d', hidden ? '' : this.#d(at, y)));
    this.#tell();
  }

  /** @param {number} every @param {number} top @param {(value: number) => number} y */
  #rule(every, top, y) {
    this.grid.forEach(([line, text], at) => {
      const value = at * every;
      const there = value <= top;
      for (const one of [line, text]) one.setAttribute('visibility', there ? 'visible' : 'hidden');
      if (!there) return;
      put(line, { x1: LEFT, x2: this.#width - RIGHT, y1: y(value), y2: y(value) });
      put(text, { x: LEFT - 7, y: y(value) + 4 });
      text.textContent = this.axis(value);
    });
  }

  #mark() {
    const marked = times(this.#begin, this.#end, this.#width - LEFT - RIGHT);
    this.labels.forEach((label, at) => {
      label.textContent = at < marked.length ? this.clock(marked[at]).slice(0, marked[at] % 60_000 ? undefined : 5) : '';
      if (at < marked.length) label.setAttribute('x', this.#x(marked[at]).toFixed(1));
    });
  }

  /** @param {number} series @param {(value: number) => number} y */
  #d(series, y) {
    return this.kind === 'bars' ? this.#bars(series, y) : this.#lines(series, y);
  }

  /** @param {number} series @param {(value: number) => number} y */
  #bars(series, y) {
    const wide = (this.#x(this.#every) - this.#x(0)) * (this.#every > 1_000 ? 0.8 : 0.9);
    const ground = y(0).toFixed(1);
    return this.#points.map(({ at, values }) => {
      const value = values[series];
      if (!value || at < this.#begin) return '';
      const x = this.#x(at);
      return `M${x.toFixed(1)} ${ground}V${y(value).toFixed(1)}H${(x + wide).toFixed(1)}V${ground}z`;
    }).join('');
  }

  /** With a hole where nothing is known, and a dot for what is alone. @param {number} series @param {(value: number) => number} y */
  #lines(series, y) {
    let [d, before] = ['', Number.NEGATIVE_INFINITY];
    for (const { at, values } of this.#points) {
      const value = values[series];
      if (value === null || at < this.#begin) continue;
      const place = `${this.#x(at).toFixed(1)} ${y(value).toFixed(1)}`;
      d += at - before <= this.#every * 1.5 ? `L${place}` : `M${place}m-2 0h4m-2 0`;
      before = at;
    }
    return d;
  }

  /** The values under the pointer, or the last ones. */
  #tell() {
    const point = this.#pointed === null ? this.#points[this.#points.length - 1] : this.#nearest(this.#pointed);
    this.cross.setAttribute('visibility', this.#pointed === null || !point ? 'hidden' : 'visible');
    if (!point) return;
    put(this.cross, { x1: this.#x(point.at), x2: this.#x(point.at) });
    this.series.forEach(({ shown }, at) => write(shown, this.#told(point.values[at])));
    write(this.when, this.clock(point.at));
  }

  /** @param {number} x */
  #nearest(x) {
    const off = (/** @type {Point} */ point) => Math.abs(this.#x(point.at) - x);
    return this.#points.reduce((best, point) => (off(point) < off(best) ? point : best), this.#points[0]);
  }

  /** @param {number | null} value */
  #told(value) {
    return value === null ? '–' : this.format(value);
  }
}

/** @param {Element} place @param {Record<string, number>} numbers */
function put(place, numbers) {
  for (const [name, value] of Object.entries(numbers)) place.setAttribute(name, value.toFixed(1));
}

/** Only what has changed costs the browser anything. @param {Element} place @param {string} text */
export function write(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
