'use strict';
(() => {
  const main = document.querySelector('main');
  const live = document.querySelector('#live');
  let waiting = false;
  // Many reports at once are one redraw.
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    setTimeout(async () => {
      waiting = false;
      try {
        const answer = await fetch('part', { cache: 'no-store' });
        if (answer.ok) main.innerHTML = await answer.text();
      } catch { live.textContent = 'connection lost'; }
    }, 300);
  };
  const events = new EventSource('events');
  events.onopen = () => { live.textContent = 'live'; redraw(); };
  events.onerror = () => { live.textContent = 'connection lost, trying again'; };
  events.addEventListener('report', redraw);
  events.addEventListener('transition', redraw);
})();
