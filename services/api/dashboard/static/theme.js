// Before anything is painted, so that a dark page does not flash white. `clickloom.` is the tracker's in localStorage.
(() => {
  'use strict';
  try {
    const chosen = localStorage.getItem('dashboard.theme');
    if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
  } catch (error) {} // storage is blocked: as the system has it
})();
