'use strict';
(() => {
  const main = document.querySelector('main');
  const live = document.querySelector('#live');
  const title = document.title;
  const say = (text, lost) => { live.textContent = text; live.className = lost ? 'lost' : ''; };
  const key = (details) => details.closest('[data-gateway]')?.dataset.gateway;
  const selecting = () => { const some = getSelection(); return !some.isCollapsed && main.contains(some.anchorNode); };
  // What a reader opened stays open.
  const show = (part) => {
    const open = new Set([...main.querySelectorAll('details[open]')].map(key));
    main.innerHTML = part;
    for (const details of main.querySelectorAll('details')) details.open = open.has(key(details));
    name();
  };
  const name = () => { document.title = (main.querySelector('.summary')?.dataset.title ?? '') + title; };
  let waiting = false;
  // Many reports at once are one redraw.
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    setTimeout(async () => {
      try {
        const answer = await fetch('part', { cache: 'no-store' });
        // Text that is being selected stays until the next time.
        if (answer.ok && !selecting()) show(await answer.text());
      } catch { say('connection lost', true); }
      waiting = false;
    }, 300);
  };
  const events = new EventSource('events');
  events.onopen = () => { say('live', false); redraw(); };
  events.onerror = () => {
    // It does not try again where it was refused: another start has another token.
    const over = events.readyState === EventSource.CLOSED;
    say(over ? 'refused: open the URL that the monitor printed when it started' : 'connection lost, trying again', true);
  };
  events.addEventListener('report', redraw);
  events.addEventListener('transition', redraw);
  // "So long ago" grows while nothing happens.
  setInterval(() => { if (!document.hidden && events.readyState === EventSource.OPEN) redraw(); }, 10000);
  name();
})();
