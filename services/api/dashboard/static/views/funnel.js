/** How many go through steps one after the other, and where they stop. */

import { card, element, empty } from '../elements.js';
import { eventList, knownEvents } from '../events.js';
import { titleOf } from '../fields.js';
import { moment, number } from '../format.js';
import { bars, groups, summary } from '../funnel/bars.js';
import { editor } from '../funnel/editor.js';
import { chosenSteps, LEAST, likelySteps } from '../funnel/steps.js';
import { question } from '../question.js';

/** @param {HTMLElement} place @param {import('../views.js').Context} context */
export async function show(place, context) {
  const { state, ask } = context;
  const known = knownEvents(context);
  const steps = chosenSteps(state) || likelySteps(await known);
  if (steps.length < LEAST) return void place.append(heading(), nothing());
  const { order, within, breakdown } = state.own;
  const body = question(state, { steps, ...(order && { order }), ...(within && { within }), ...(breakdown && { breakdown }) });
  const funnel = await ask('/v1/funnels', { method: 'POST', body });
  place.append(heading(funnel, state), eventList(await known),
    element('div', { class: 'grid' }, card('Steps', 'third', editor(steps, await known, state)), bars(funnel), groups(funnel, titleOf(breakdown || ''))),
    ...notes(funnel));
  place.querySelector('.title')?.after(summary(funnel));
}

/** @param {any} [funnel] @param {import('../state.js').State} [state] */
function heading(funnel, state) {
  const as_of = funnel?.as_of && state && element('p', { class: 'quiet' }, `Complete up to ${moment(funnel.as_of, state.zone)}`);
  return element('div', { class: 'title' }, element('h1', {}, 'Funnel'), as_of);
}

/** @param {any} funnel */
function notes(funnel) {
  if (!funnel.truncated_sessions) return [];
  return [element('p', { class: 'quiet' }, `${number(funnel.truncated_sessions)} sessions have more than 100 events; only their first 100 were looked at.`)];
}

function nothing() {
  return empty('There are no events in this time to make steps of',
    element('p', {}, 'Choose a longer time above. A session counts here when it has closed, after half an hour without a click.'));
}
