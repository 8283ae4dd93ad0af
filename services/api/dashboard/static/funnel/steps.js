/**
 * The steps of a funnel, as the address has them.
 *
 * @typedef {{event: string[], filters?: any[]}} Step  any of the events; `filters` are on the click
 */

import { choose } from '../state.js';

export const [LEAST, MOST] = [2, 10];
const USUAL = 4; // steps, if nothing is known of the site
const SHOP = ['beer_vitrine_nav', 'beer_products', 'beer_product_detail', 'beer_cart', 'beer_checkout'];

/** Null: none were chosen, or what stands there is none. @param {import('../state.js').State} state @returns {Step[] | null} */
export function chosenSteps({ own }) {
  try {
    const found = JSON.parse(own.steps || 'null');
    return Array.isArray(found) && found.length >= LEAST && found.every((step) => Array.isArray(step?.event)) ? found : null;
  } catch (error) {
    return null;
  }
}

/**
 * The demo shop's way to an order, if it is one; else the most frequent events, in the order in which sessions have them.
 *
 * @param {import('../events.js').Known[]} known @returns {Step[]}
 */
export function likelySteps(known) {
  const shop = SHOP.filter((name) => known.some(({ event }) => event === name));
  const found = shop.length >= LEAST ? shop : inOrder(known.slice(0, USUAL));
  return found.map((name) => ({ event: [name] }));
}

/** @param {import('../events.js').Known[]} known */
function inOrder(known) {
  return [...known].sort((one, other) => one.place - other.place).map(({ event }) => event);
}

/** A step more: the most frequent event that is none yet. @param {Step[]} steps @param {import('../events.js').Known[]} known @returns {Step} */
export function anotherStep(steps, known) {
  const there = new Set(steps.flatMap(({ event }) => event));
  const next = known.find(({ event }) => !there.has(event));
  return { event: [next ? next.event : steps[steps.length - 1].event[0]] };
}

/** @param {Step[]} steps */
export function chooseSteps(steps) {
  choose({ steps: JSON.stringify(steps) });
}
