/** Things one after the other, down the page. */

import { element } from '../elements.js';

/** @param {string} name @param {HTMLElement[]} steps */
export function timeline(name, steps) {
  return element('ol', { class: 'timeline', 'aria-label': name }, ...steps);
}

/** @param {string} when @param {...import('../elements.js').Child} children */
export function step(when, ...children) {
  return element('li', {}, element('span', { class: 'at number' }, when), element('div', {}, ...children));
}

/** 1:05 of 65,000; 1:02:03 of more than an hour. @param {number} offset_ms */
export function offset(offset_ms) {
  const seconds = Math.floor(offset_ms / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const two = (/** @type {number} */ value) => String(value).padStart(2, '0');
  return hours ? `+${hours}:${two(minutes)}:${two(seconds % 60)}` : `+${minutes}:${two(seconds % 60)}`;
}
