/**
 * The steps of a funnel, as the address has them.
 *
 * @typedef {{event: string[], filters?: any[]}} Step  any of the events; `filters` are on the click
 */

import { choose } from '../state.js';

export const [LEAST, MOST] = [2, 10];
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

/** The demo shop's way to an order, if it is one; else from the first event to others. @param {string[]} names the known ones @returns {Step[]} */
export function likelySteps(names) {
  const shop = SHOP.filter((name) => names.includes(name));
  const found = shop.length >= LEAST ? shop : names.slice(0, 3);
  return found.map((name) => ({ event: [name] }));
}

/** @param {Step[]} steps */
export function chooseSteps(steps) {
  choose({ steps: JSON.stringify(steps) });
}
