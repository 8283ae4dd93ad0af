/** What sessions do after an event, or did before it. */

import { card, choice, element, empty, option } from '../elements.js';
import { EVENT_LIST, eventList, knownEvents } from '../events.js';
import { moment, number } from '../format.js';
import { question } from '../question.js';
import { sankey } from '../paths/sankey.js';
import { choose } from '../state.js';

const [LEVELS, MOST] = ['4', '6']; // if nothing is chosen
const WAYS = [['begin', 'From the first event on'], ['from', 'After an event'], ['to', 'Before an event']];

/** @param {HTMLElement} place @param {import('../views.js').Context} context */
export async function show(place, context) {
  const { state, ask } = context;
  const { event, levels = LEVELS, most = MOST, collapse } = state.own;
  const way = state.own.way || 'begin';
  const names = knownEvents(context);
  const found = way === 'begin' || event
    ? await ask('/v1/paths', { method: 'POST', body: question(state, {
      ...(way !== 'begin' && { [way]: event }), levels: Number(levels), most: Number(most), collapse_repeats: collapse === 'yes',
    }) })
    : null;
  place.append(heading(found, state), eventList(await names),
    element('div', { class: 'grid' }, card('What is looked at', '', controls(way, state)), ...shown(found, way)));
}

/** @param {any} found @param {string} way */
function shown(found, way) {
  if (!found) return [empty('Name an event', element('p', {}, 'Its field is above; what sessions often begin or end with is suggested.'))];
  if (!found.sessions) return [empty('No session has this event in this time', element('p', {}, 'Choose another event, a longer time, or fewer filters.'))];
  const chosen = (/** @type {string} */ event) => choose({ way: way === 'to' ? 'to' : 'from', event });
  return [card(`${number(found.sessions)} sessions`, '', sankey(found, way === 'to', chosen),
    element('p', { class: 'quiet' }, 'Click an event to look from there.'))];
}

/** @param {string} way @param {import('../state.js').State} state */
function controls(way, { own }) {
  const choosing = (/** @type {string} */ name) => (/** @type {Event} */ event) => choose({ [name]: /** @type {HTMLInputElement} */ (event.target).value });
  const numbers = (/** @type {string} */ chosen, /** @type {number} */ most) =>
    Array.from({ length: most }, (_, at) => option(String(at + 1), String(at + 1), chosen));
  const named = way !== 'begin' && element('label', { class: 'choice' }, 'Event', element('input', {
    id: 'event', value: own.event || '', list: EVENT_LIST, autocomplete: 'off', required: true, onchange: choosing('event'),
  }));
  return element('div', { class: 'choices' },
    choice('Paths', WAYS.map(([value, words]) => option(value, words, way)), { id: 'way', onchange: choosing('way') }), named,
    choice('Steps', numbers(own.levels || LEVELS, 10), { id: 'levels', onchange: choosing('levels') }),
    choice('Events a step', numbers(own.most || MOST, 15), { id: 'most', onchange: choosing('most') }),
    choice('The same again', [option('', 'is a step', own.collapse || ''), option('yes', 'is none', own.collapse || '')], { id: 'collapse', onchange: choosing('collapse') }));
}

/** @param {any} found @param {import('../state.js').State} state */
function heading(found, state) {
  const as_of = found?.as_of && element('p', { class: 'quiet' }, `Complete up to ${moment(found.as_of, state.zone)}`);
  return element('div', { class: 'title' }, element('h1', {}, 'Paths'), as_of);
}
