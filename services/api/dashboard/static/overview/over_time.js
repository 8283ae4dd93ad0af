/** A number over time, with the time that it is compared with as a quiet line. */

import { chart } from '../charts.js';
import { choice, element, option } from '../elements.js';
import { day, local, moment, month } from '../format.js';
import { unitOf } from '../ranges.js';
import { choose } from '../state.js';
import { METRICS } from './metrics.js';
import { asked } from '../question.js';
import { COMPARISONS, comparison } from './comparison.js';

/** @typedef {import('../state.js').State} State @typedef {{label: string, now: number | null, before: number | null | undefined, whole: boolean}} Point */

/** @param {State} state */
export function chosenMetric({ own }) {
  return own.metric in METRICS ? own.metric : 'sessions';
}

/** @param {State} state */
export function metricChoice(state) {
  const options = Object.entries(METRICS).map(([name, { title }]) => option(name, title, chosenMetric(state)));
  const onchange = (/** @type {Event} */ event) => choose({ metric: /** @type {HTMLSelectElement} */ (event.target).value });
  return choice('Number', options, { id: 'metric', onchange });
}

/** @param {import('../views.js').Context} context @returns {Promise<HTMLElement>} */
export async function overTime(context) {
  const { state } = context;
  const name = chosenMetric(state);
  const unit = unitOf(state.range);
  const answer = await asked(context, {
    metrics: [name],
    dimensions: [`time:${unit}`],
    include: { comparison: comparison(state), time_labels: true },
  });
  const [warning] = answer.meta.warnings.filter(() => name === 'revenue');
  if (warning) return element('p', { class: 'notice' }, warning);
  return drawn(METRICS[name], unit, points(answer), state);
}

/** @param {any} answer @returns {Point[]} what has not begun has no value; what goes on is not whole */
function points({ results, meta }) {
  const until = Date.parse(meta.as_of || new Date());
  const value = (/** @type {any} */ found) => (found === null || found === undefined ? found : Number(found));
  const labels = results.map((/** @type {any} */ row) => row.dimensions[0]);
  return results.map((/** @type {any} */ row, /** @type {number} */ at) => {
    const begun = Date.parse(labels[at]) <= until;
    const over = Date.parse(labels[at + 1] || answerEnd(labels)) <= until;
    return { label: labels[at], now: begun ? value(row.metrics[0]) : null, before: value(row.comparison?.metrics[0]), whole: over };
  });
}

/** The end of the last bucket: as far from its begin as the one before. @param {string[]} labels */
function answerEnd(labels) {
  const [before, last] = labels.slice(-2).map((label) => Date.parse(label));
  return new Date(last === undefined ? Date.now() : last + (last - before)).toISOString();
}

/** @param {import('./metrics.js').Metric} metric @param {string} unit @param {Point[]} points @param {State} state */
function drawn(metric, unit, points, state) {
  const title = `${metric.title} by ${unit}`;
  const shown = (/** @type {number | null | undefined} */ value) => (value === null || value === undefined ? '–' : metric.show(value));
  const [, other] = COMPARISONS.find(([name]) => name === comparison(state)) || [];
  const named = (/** @type {Point} */ point) => labelOf(point.label, unit, state.zone) + (point.whole || point.now === null ? '' : ', so far');
  return chart({
    title,
    height: 300,
    traces: (colours) => traces(points, { unit, zone: state.zone, other, title: metric.title, shown }, colours),
    layout: () => ({
      hovermode: 'x unified',
      yaxis: { ticksuffix: metric.rate ? ' %' : metric === METRICS.duration_avg ? ' s' : '', nticks: 6, separatethousands: true },
      xaxis: { tickformat: unit === 'hour' ? '%H:%M\n%-d %b' : unit === 'month' ? '%b\n%Y' : '%-d %b\n%Y' },
    }),
    columns: [{ title: unit }, { title: metric.title, number: true }, ...(other ? [{ title: other, number: true }] : [])],
    rows: points.map((point) => [named(point), shown(point.now), ...(other ? [shown(point.before)] : [])]),
  });
}

/**
 * @param {Point[]} points
 * @param {{unit: string, zone: string, other: string | undefined, title: string, shown: (value: number | null | undefined) => string}} how
 * @param {import('../charts.js').Colours} colours
 */
function traces(points, { unit, zone, other, title, shown }, colours) {
  const x = points.map(({ label }) => (unit === 'hour' ? local(label, zone) : label));
  const line = (/** @type {string} */ name, /** @type {(number | null | undefined)[]} */ y, /** @type {any} */ how) =>
    ({ type: 'scatter', mode: 'lines', name, x, y, text: y.map(shown), hovertemplate: '%{text}', ...how });
  const last = points.findLastIndex(({ whole }) => whole);
  const whole = points.map(({ now, whole }) => (whole ? now : null));
  const going = points.map(({ now, whole }, at) => (whole && at !== last ? null : now));
  return [
    other && line(other, points.map(({ before }) => before), { line: { color: colours.quiet, width: 1.5, dash: 'dot' } }),
    line(title, whole, { mode: points.length > 70 ? 'lines' : 'lines+markers', line: { color: colours.accent, width: 2.5 }, marker: { size: 5 }, fill: 'tozeroy', fillcolor: faint(colours.accent) }),
    going.filter((value) => value !== null).length > (last < 0 ? 0 : 1) && line('so far', going, { line: { color: colours.accent, width: 2.5, dash: 'dash' }, mode: 'lines+markers', marker: { size: 5 } }),
  ].filter(Boolean);
}

/** @param {string} colour rgb(…) */
const faint = (colour) => colour.replace('rgb(', 'rgba(').replace(')', ', .1)');

/** @param {string} label @param {string} unit @param {string} zone */
function labelOf(label, unit, zone) {
  if (unit === 'hour') return moment(label, zone, { dateStyle: 'medium', timeStyle: 'short' });
  if (unit === 'month') return month(label);
  return (unit === 'week' ? 'week of ' : '') + day(label, 'UTC');
}
