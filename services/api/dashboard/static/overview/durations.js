/** How long sessions last: the classes of durations that the API counts, which grow wider with the duration. */

import { chart } from '../charts.js';
import { addFilter } from '../filters.js';
import { duration, number } from '../format.js';
import { filterLink } from './links.js';
import { asked } from '../question.js';

const TICKS_S = [0, 5, 10, 30, 120, 600, 3600, 21_600];
const TALL = 2; // times the highest of the others: it would leave them flat, so it is cut off and says how many it is

/** The least seconds of the next class: one more up to 10 s, then a fifth more (clickloom/durations.py). @param {number} least */
export const nextClass = (least) => Math.max(least + 1, Math.floor(least * 1.2));

/** @param {import('../views.js').Context} context */
export async function durations(context) {
  const { results } = await asked(context, { metrics: ['sessions'], dimensions: ['duration_class'] });
  const counts = new Map(results.map((/** @type {any} */ row) => [row.dimensions[0], row.metrics[0]]));
  const classes = upTo(Math.max(...counts.keys(), 0)).map((least) => ({ least, below: nextClass(least), sessions: counts.get(least) || 0 }));
  return chart({
    title: 'Sessions by their duration',
    height: 340,
    traces: ({ series }) => [bars(classes, series[0])],
    layout: ({ ink }) => ({
      bargap: 0.08, margin: { l: 56, r: 8, t: 8, b: 44 },
      xaxis: { ...ticks(classes), title: { text: 'duration', standoff: 6 } },
      yaxis: { title: { text: 'sessions' }, nticks: 6, separatethousands: true, ...cut(classes).axis },
      annotations: cut(classes).notes.map((note) => ({ ...note, font: { color: ink } })),
    }),
    columns: [{ title: 'Duration' }, { title: 'Sessions', number: true }],
    rows: classes.filter(({ sessions }) => sessions).map((one) => [filterLink(context.state, filterOf(one), words(one)), number(one.sessions)]),
    onclick: ({ pointNumber }) => addFilter(filterOf(classes[pointNumber])),
  });
}

/** @param {number} last @returns {number[]} the classes from the first to this */
function upTo(last) {
  const found = [0];
  while (found[found.length - 1] < last) found.push(nextClass(found[found.length - 1]));
  return found;
}

/** @typedef {{least: number, below: number, sessions: number}} Class */

/** @param {Class} one */
const words = ({ least, below }) => (below === least + 1 ? duration(least) : `${duration(least)} to ${duration(below)}`);

/** @param {Class} one */
const filterOf = ({ least, below }) =>
  ['and', [['at_least', 'duration_sec', [least]], ['less_than', 'duration_sec', [below]]]];

/** @param {Class[]} classes @param {string} color */
function bars(classes, color) {
  return {
    type: 'bar', x: classes.map((_, at) => at + 0.5), y: classes.map(({ sessions }) => sessions), marker: { color },
    text: classes.map(words), textposition: 'none', hovertemplate: '%{text}<br>%{y:,} sessions<extra></extra>',
  };
}

/** Sessions of one event last 0 s, and may be most. @param {Class[]} classes @returns {{axis: any, notes: any[]}} */
function cut(classes) {
  const most = Math.max(...classes.slice(1).map(({ sessions }) => sessions), 0);
  const { sessions } = classes[0];
  if (!most || sessions <= TALL * most) return { axis: {}, notes: [] };
  const note = { x: 1.3, y: 1, yref: 'paper', xanchor: 'left', yanchor: 'top', showarrow: false, text: `◂ ${number(sessions)} of 0 s, cut off here` };
  return { axis: { range: [0, most * 1.25] }, notes: [note] };
}

/** Round durations where they lie among the classes. @param {Class[]} classes */
function ticks(classes) {
  const end = classes[classes.length - 1].below;
  const shown = TICKS_S.filter((seconds) => seconds < end);
  const at = (/** @type {number} */ seconds) => {
    const place = classes.findLastIndex(({ least }) => least <= seconds);
    return place + (seconds - classes[place].least) / (classes[place].below - classes[place].least);
  };
  return { tickvals: shown.map(at), ticktext: shown.map(duration), range: [0, classes.length], tickangle: 0, showgrid: false };
}
