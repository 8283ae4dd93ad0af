/** What sessions are made of: first events, devices, durations. */

import { chart, literal } from '../charts.js';
import { element } from '../elements.js';
import { addFilter } from '../filters.js';
import { duration, number, percent } from '../format.js';
import { filterLink } from './links.js';
import { asked } from '../question.js';

const SLICES = 5;

/** @typedef {import('../views.js').Context} Context */

/** The original report's donut: with which event sessions begin. @param {Context} context */
export async function firstEvents(context) {
  const { results, totals } = await asked(context,
    { metrics: ['sessions'], dimensions: ['begin_navigation'], include: { totals: true }, limit: SLICES });
  const all = totals.metrics[0];
  const found = results.map((/** @type {any} */ row) => ({ name: row.dimensions[0], sessions: row.metrics[0] }));
  const rest = all - found.reduce((/** @type {number} */ sum, /** @type {any} */ one) => sum + one.sessions, 0);
  const slices = rest ? [...found, { name: null, sessions: rest }] : found;
  const figure = donut(slices, all);
  figure.querySelector('details')?.before(legend(slices, all, context.state));
  return figure;
}

/** @param {{name: string | null, sessions: number}[]} slices @param {number} all */
function donut(slices, all) {
  const names = slices.map(({ name }) => name ?? 'other events');
  return chart({
    title: 'Sessions by their first event',
    height: 230,
    traces: ({ series, card }) => [{
      type: 'pie', hole: 0.62, sort: false, direction: 'clockwise', labels: names.map(literal), values: slices.map(({ sessions }) => sessions),
      marker: { colors: series, line: { color: card, width: 2 } }, textinfo: 'none', hovertemplate: '%{label}<br>%{value:,} sessions, %{percent}<extra></extra>',
    }],
    layout: ({ ink, quiet }) => ({
      margin: { l: 8, r: 8, t: 8, b: 8 }, showlegend: false,
      annotations: [{ text: `<b>${number(all)}</b>`, showarrow: false, font: { size: 20, color: ink }, yshift: 8 },
        { text: 'sessions', showarrow: false, font: { size: 12, color: quiet }, yshift: -14 }],
    }),
    columns: [{ title: 'First event' }, { title: 'Sessions', number: true }, { title: 'Share', number: true }],
    rows: slices.map(({ sessions }, at) => [names[at], number(sessions), percent(100 * sessions / all)]),
    onclick: ({ pointNumber }) => slices[pointNumber].name && addFilter(['is', 'begin_navigation', [slices[pointNumber].name]]),
  });
}

/** @param {{name: string | null, sessions: number}[]} slices @param {number} all @param {import('../state.js').State} state */
function legend(slices, all, state) {
  return element('ul', { class: 'key' }, ...slices.map(({ name, sessions }, at) => element('li', {},
    element('span', { class: `swatch series-${at + 1}` }),
    name === null ? element('span', {}, 'other events') : filterLink(state, ['is', 'begin_navigation', [name]], name),
    element('span', { class: 'number' }, percent(100 * sessions / all)))));
}

/** The original report's tree map: as large as the total duration, as dark as the number of events. @param {Context} context */
export async function devices(context) {
  const { results } = await asked(context, { metrics: ['duration_total', 'clicks', 'sessions'], dimensions: ['device_type'] });
  const found = results.map((/** @type {any} */ row) => ({ name: row.dimensions[0], seconds: row.metrics[0], events: row.metrics[1], sessions: row.metrics[2] }));
  return chart({
    title: 'Total duration by device, coloured by the number of events',
    height: 340,
    traces: (colours) => [treeMap(found, colours)],
    layout: () => ({ margin: { l: 0, r: 0, t: 0, b: 40 } }),
    columns: [{ title: 'Device' }, { title: 'Total duration', number: true }, { title: 'Events', number: true }, { title: 'Sessions', number: true }],
    rows: found.map((/** @type {any} */ one) => [
      filterLink(context.state, ['is', 'device_type', [one.name]], one.name), duration(one.seconds), number(one.events), number(one.sessions)]),
    onclick: ({ pointNumber }) => found[pointNumber] && addFilter(['is', 'device_type', [found[pointNumber].name]]),
  });
}

const SMALL = 0.1; // of all: no place for more than the name

/** @param {any[]} found @param {import('../charts.js').Colours} colours */
function treeMap(found, { card, tint, deep, ink, quiet }) {
  const events = found.map((one) => one.events);
  const all = found.reduce((sum, one) => sum + one.seconds, 0);
  return {
    type: 'treemap', labels: found.map(({ name }) => literal(name)), parents: found.map(() => ''), values: found.map(({ seconds }) => seconds),
    text: found.map((one) => `${duration(one.seconds)}<br>${number(one.events)} events`), textfont: { color: ink }, texttemplate: found.map(({ seconds }) => (seconds < SMALL * all ? '%{label}' : '<b>%{label}</b><br>%{text}')),
    hovertemplate: '%{label}<br>%{text}<extra></extra>', pathbar: { visible: false }, tiling: { pad: 0 },
    marker: {
      pad: { t: 0, r: 0, b: 0, l: 0 }, line: { width: 3, color: card },
      colors: events, cornerradius: 5, colorscale: [[0, tint], [1, deep]], cmin: 0, cmax: Math.max(...events), showscale: true,
      colorbar: { orientation: 'h', y: -0.02, yanchor: 'top', thickness: 8, outlinewidth: 0, nticks: 4, separatethousands: true, title: { text: 'events', side: 'right', font: { color: quiet } } },
    },
  };
}
