/** What happens now: numbers of every second, and the sessions as they close. */

import { withQuery } from '../api.js';
import { card, element, option } from '../elements.js';
import { sentence } from '../filters.js';
import { Closing, ROWS } from '../live/closing.js';
import { follow } from '../live/feed.js';
import { Figures } from '../live/figures.js';
import { nothing } from '../live/nothing.js';
import { Numbers } from '../live/numbers.js';
import { paced } from '../live/pace.js';
import { Shares } from '../live/shares.js';
import { Sign } from '../live/sign.js';
import { heeded, sessionChoices } from '../live/sessions.js';
import { Strips } from '../live/strips.js';

const PAST_MS = 600_000; // of numbers, which are kept so long
const PAST_SESSIONS_MS = 60_000;
const FIGURES_MS = 250;
const CHARTS_MS = 1_000;
const EVENTS = 8;
const DEVICES = 4;

/** @param {HTMLElement} place @param {import('../views.js').Context} context */
export async function show(place, { state, ask, signal }) {
  const clock = clockOf(state.zone);
  const shown = parts(clock);
  const numbers = new Numbers();
  const charts = paced(chartsOf(shown, numbers), CHARTS_MS, signal);
  const figures = paced([() => drawFigures(shown, numbers)], FIGURES_MS, signal);
  const of = { window: state.window, site_id: state.site };
  const check = () => ask(withQuery('/v1/sessions', { ...of, limit: 1 }));

  fillPast();
  follow({
    address: (after) => withQuery('/v1/live/metrics', { ...of, after }),
    event: 'metrics',
    take: (told) => {
      numbers.take(told);
      figures();
      if (told.complete) charts();
    },
    gap: (lost) => shown.sign.gap(lost),
    changed: (feed) => {
      shown.sign.become(feed);
      if (feed.kind === 'opening') fillPast();
    },
    check,
    steady: true,
    anew: true,
    signal,
  });
  follow({
    address: (after) => withQuery('/v1/live/sessions', {
      ...of, ...heeded(state.filters).parameters, at_most: ROWS, after: after || Date.now() - PAST_SESSIONS_MS,
    }),
    event: 'sessions',
    take: (told, at) => {
      shown.closing.take(told, at);
      charts();
    },
    check,
    signal,
  });
  const timer = setInterval(() => document.hidden || shown.sign.draw(numbers.last?.at || ''), 1_000);
  signal.addEventListener('abort', () => clearInterval(timer));
  shown.period.addEventListener('change', charts);
  compose(place, shown, state);

  /** Numbers of now come at once; those of before, by whole seconds, until they meet them. */
  function fillPast() {
    numbers.begin();
    const since = Math.max(numbers.last ? Date.parse(numbers.last.at) : 0, Date.now() - PAST_MS);
    const past = new EventSource(withQuery('/v1/live/metrics', { ...of, whole: true, after: since }));
    past.addEventListener('metrics', ({ data }) => (numbers.fill(JSON.parse(data)) ? charts() : past.close()));
    past.addEventListener('error', () => past.close());
    signal.addEventListener('abort', () => past.close());
  }
}

/** @param {(at: number | string) => string} clock */
function parts(clock) {
  const strips = new Strips(clock);
  const period = element('select', { id: 'period' }, option('minute', 'minute', 'minute'), option('second', 'second', 'minute'));
  period.addEventListener('change', () => strips.by(/** @type {any} */ (period).value));
  return {
    strips, period,
    sign: new Sign(clock),
    figures: new Figures(clock),
    closing: new Closing(clock),
    events: new Shares('Event names', EVENTS, 1),
    devices: new Shares('Devices', DEVICES, 5),
    empty: element('div', { hidden: true, class: 'whole' }, nothing('No click has come yet')),
  };
}

/** @param {HTMLElement} place @param {ReturnType<typeof parts>} shown @param {import('../state.js').State} state */
function compose(place, shown, state) {
  const { sign, figures, strips, closing, events, devices, period, empty } = shown;
  const by = element('label', { class: 'choice period' }, 'Sessions by the', period);
  const minute = () => element('p', { class: 'quiet hint' }, 'clicks of the last minute');
  const { others } = heeded(state.filters);
  const unheeded = others.length > 0
    && element('p', { class: 'quiet' }, `Not heeded here: ${others.map(sentence).join(' · ')}`);
  place.append(
    element('div', { class: 'title' }, element('h1', {}, 'Live'), sign.pill, by),
    sign.notice,
    element('div', { class: 'grid live' }, empty, ...figures.cards,
      strips.clicksCard, card('Event names', 'third', minute(), events.element),
      ...strips.cards, card('Devices', 'quarter', minute(), devices.element),
      card('Sessions as they close', '', sessionChoices(state), unheeded, closing.element)),
  );
}

/** @param {ReturnType<typeof parts>} shown @param {Numbers} numbers */
function drawFigures({ figures, sign, empty }, numbers) {
  if (!numbers.last) return;
  figures.draw(numbers);
  sign.draw(numbers.last.at);
  empty.hidden = numbers.last.watermark !== null;
}

/** @param {ReturnType<typeof parts>} shown @param {Numbers} numbers @returns {(() => void)[]} */
function chartsOf({ strips, events, devices, closing }, numbers) {
  return [
    () => closing.draw(),
    ...strips.draws(numbers),
    () => events.draw(numbers.ranked('events')),
    () => devices.draw(numbers.ranked('devices')),
  ];
}

/** `14:03:20` in a zone, by a formatter that is made once. @param {string} zone @returns {(at: number | string) => string} */
function clockOf(zone) {
  const made = new Intl.DateTimeFormat('en-GB', { timeZone: zone, hour: '2-digit', minute: '2-digit', second: '2-digit' });
  return (at) => made.format(new Date(at));
}
