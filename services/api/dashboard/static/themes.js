/** Light, dark, or as the system has it; remembered in this browser. */

import { element, option } from './elements.js';

const KEPT = 'dashboard.theme'; // theme.js reads it before the page is painted
const THEMES = [['system', 'As the system'], ['light', 'Light'], ['dark', 'Dark']];

function chosen() {
  return document.documentElement.dataset.theme || 'system';
}

/** @param {string} theme */
function choose(theme) {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEPT, theme);
  } catch (error) {} // storage is blocked: it holds for this page
  dispatchEvent(new Event('themechange'));
}

export function themeChoice() {
  const options = THEMES.map(([name, title]) => option(name, title, chosen()));
  const onchange = (/** @type {Event} */ event) => choose(/** @type {HTMLSelectElement} */ (event.target).value);
  return element('select', { id: 'theme', 'aria-label': 'Theme', onchange }, ...options);
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => dispatchEvent(new Event('themechange')));
