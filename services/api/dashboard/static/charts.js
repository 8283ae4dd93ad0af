/**
 * Charts: a thin layer over plotly, which is loaded with the first one.
 *
 * A chart has a name, colours of the theme, and a table with the same numbers for who does not see it.
 */

import { element, table } from './elements.js';

/** @type {Promise<any> | undefined} */
let loaded;

/** @returns {Promise<any>} plotly */
function library() {
  loaded = loaded || new Promise((resolve, reject) => {
    const script = element('script', { src: document.body.dataset.charts });
    script.addEventListener('load', () => resolve(/** @type {any} */ (window).Plotly));
    script.addEventListener('error', () => {
      loaded = undefined;
      reject(new Error('The charts could not be loaded.'));
    });
    document.head.append(script);
  });
  return loaded;
}

/**
 * A figure, which draws itself when it is on the page.
 *
 * @param {{
 *   title: string,
 *   traces: (colours: Colours) => any[],
 *   layout?: (colours: Colours) => Record<string, any>,
 *   columns: {title: string, number?: boolean}[],
 *   rows: any[][],
 *   height?: number,
 *   onclick?: (point: any) => void,
 * }} chart  traces and layout are plotly's; `rows` are the same numbers as a table
 */
export function chart({ title, traces, layout = () => ({}), columns, rows, height = 280, onclick }) {
  const plot = element('div', { class: 'plot', role: 'img', 'aria-label': `${title}, as a chart; a table follows` });
  plot.style.minHeight = `${height}px`;
  const same = element('details', {}, element('summary', {}, 'As a table'), table(columns, rows, title));
  const figure = element('figure', {}, plot, same);
  const draw = () => drawn(plot, (colours) => [traces(colours), merged(basis(colours, height, plot.clientWidth), layout(colours))], onclick);
  whenShown(plot, draw);
  return figure;
}

/** @param {HTMLElement} plot @param {(colours: Colours) => [any[], any]} made @param {((point: any) => void) | undefined} onclick */
async function drawn(plot, made, onclick) {
  try {
    const plotly = await library();
    if (!plot.isConnected) return;
    const again = plot.classList.contains('drawn');
    await plotly.react(plot, ...made(colours()), { displayModeBar: false, responsive: false });
    plot.classList.add('drawn');
    if (onclick && !again) /** @type {any} */ (plot).on('plotly_click', (/** @type {any} */ event) => onclick(event.points[0]));
  } catch (error) {
    plot.replaceChildren(element('p', { class: 'fault' }, String(error instanceof Error ? error.message : error)));
  }
}

/** Draw when the place has a width, and again when that or the theme changes; end with the place. */
function whenShown(/** @type {HTMLElement} */ plot, /** @type {() => void} */ draw) {
  let [width, there] = [0, false];
  const sizes = new ResizeObserver(() => {
    if (!plot.isConnected) return void (there && ended()); // some browsers tell also of what is not on the page yet
    there = true;
    if (plot.clientWidth === width) return;
    width = plot.clientWidth;
    draw();
  });
  const ended = () => {
    sizes.disconnect();
    removeEventListener('themechange', draw);
    /** @type {any} */ (window).Plotly?.purge(plot);
  };
  sizes.observe(plot);
  addEventListener('themechange', draw);
}

/** Text for a chart, in which plotly would take `<b>` and `<a>` for markup. @param {string} text */
export const literal = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** @typedef {{ink: string, quiet: string, line: string, card: string, tint: string, deep: string, accent: string, series: string[]}} Colours */

/** The theme's colours as they are now: a property may differ between light and dark, a colour that is used does not. */
function colours() {
  const probe = element('span', { hidden: true });
  document.body.append(probe);
  const of = (/** @type {string} */ name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const found = {
    ink: of('ink'), quiet: of('quiet'), line: of('line'), card: of('card'), tint: of('tint'), deep: of('deep'), accent: of('accent'),
    series: [1, 2, 3, 4, 5, 6].map((number) => of(`series-${number}`)),
  };
  probe.remove();
  return found;
}

/** Axes and legend of the layout are laid over those of the basis. @param {Record<string, any>} basis @param {Record<string, any>} layout */
function merged(basis, layout) {
  const laid = Object.entries(layout).map(([name, value]) =>
    [name, basis[name] && typeof value === 'object' && !Array.isArray(value) ? { ...basis[name], ...value } : value]);
  return { ...basis, ...Object.fromEntries(laid) };
}

/** @param {Colours} colours @param {number} height @param {number} width */
function basis(colours, height, width) {
  const axis = { gridcolor: colours.line, linecolor: colours.line, zerolinecolor: colours.line, automargin: true };
  return {
    height,
    width,
    margin: { l: 48, r: 12, t: 12, b: 36 },
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    font: { color: colours.quiet, family: getComputedStyle(document.body).fontFamily, size: 12 },
    colorway: colours.series,
    hoverlabel: { bgcolor: colours.card, bordercolor: colours.line, font: { color: colours.ink } },
    legend: { orientation: 'h', y: 1.12, x: 0 },
    xaxis: { ...axis, fixedrange: true },
    yaxis: { ...axis, fixedrange: true, rangemode: 'tozero' },
    bargap: 0.15,
  };
}
