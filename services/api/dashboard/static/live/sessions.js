/** Which of the closing sessions are shown: of the filters those that the live stream knows, with choices of their own. */

import { choice, element, option } from '../elements.js';
import { change } from '../state.js';

const TEXTS = ['device_type', 'user_id', 'event'];
const TRUTHS = ['converted', 'bounced'];
const DEVICES = [['', 'any'], ['computer', 'computer'], ['mobile', 'mobile'], ['tablet', 'tablet'], ['other', 'other']];
const OUTCOMES = [['', 'any'], ['converted', 'converted'], ['bounced', 'bounced']];

/**
 * As parameters of /v1/live/sessions, and those that it does not know.
 * @param {any[]} filters of /v1/query @returns {{parameters: Record<string, any>, others: any[]}}
 */
export function heeded(filters) {
  /** @type {Record<string, any>} */
  const parameters = {};
  const others = [];
  for (const filter of filters) {
    if (known(filter)) parameters[filter[1]] = filter[2][0];
    else others.push(filter);
  }
  return { parameters, others };
}

/** @param {any} filter */
function known(filter) {
  if (!Array.isArray(filter) || filter[0] !== 'is' || !Array.isArray(filter[2]) || filter[2].length !== 1) return false;
  const [[, field], [value]] = [filter, filter[2]];
  return TEXTS.includes(field) ? typeof value === 'string' && value !== '' : TRUTHS.includes(field) && typeof value === 'boolean';
}

/** @param {import('../state.js').State} state */
export function sessionChoices({ filters }) {
  const { parameters } = heeded(filters);
  const outcome = TRUTHS.find((name) => parameters[name] === true) || '';
  return element('div', { class: 'within' },
    choice('Device', DEVICES.map(([value, text]) => option(value, text, parameters.device_type || '')), {
      id: 'live-device', onchange: chosen((value) => [['device_type'], value && ['is', 'device_type', [value]]]),
    }),
    choice('Outcome', OUTCOMES.map(([value, text]) => option(value, text, outcome)), {
      id: 'live-outcome', onchange: chosen((value) => [TRUTHS, value && ['is', value, [true]]]),
    }));

  /** @param {(value: string) => [string[], any]} put which fields' filters go, and what comes in their place */
  function chosen(put) {
    return (/** @type {Event} */ event) => {
      const [fields, filter] = put(/** @type {HTMLSelectElement} */ (event.target).value);
      const kept = filters.filter((one) => !(known(one) && fields.includes(one[1])));
      change({ filters: filter ? [...kept, filter] : kept });
    };
  }
}
