// Health from the vendor's own status page: GET /status.json of the gateway's origin, in the form of Statuspage's summary.json.
// What the page says of a service comes before what the component behind says; when there is no page, that stays as it is.
// How long each call took goes to the log (`-v` shows it).
// Everything else is passed on to the component behind, which is the built-in one after `pflow-gateway-compose`.

import { check } from 'pflow:gateway/health@0.2.0';
import { callTool, cancel } from 'pflow:gateway/calls@0.2.0';
import { log } from 'pflow:gateway/log@0.2.0';

const PAGE = '/status.json';
const STATES = {
  operational: 'ok',
  degraded_performance: 'degraded',
  partial_outage: 'degraded',
  major_outage: 'offline',
  under_maintenance: 'disabled',
};

async function readPage(url) {
  try {
    const answer = await fetch(new URL(PAGE, url));
    if (!answer.ok) return [];
    const { components } = await answer.json();
    return components.filter(({ name, status }) => typeof name === 'string' && Object.hasOwn(STATES, status));
  } catch {
    return [];
  }
}

function judge({ status, updated_at }, seen) {
  const since = Date.parse(updated_at);
  const state = STATES[status];
  return {
    ...seen,
    status: state,
    evidence: [`${PAGE} says ${status}${since ? ` since ${updated_at}` : ''}`, ...seen.evidence],
    lastSeen: state === 'ok' || !since ? seen.lastSeen : BigInt(Math.floor(since / 1000)),
  };
}

export const health = {
  async check(conversation, known) {
    const services = check(conversation, known);
    const page = new Map((await readPage(conversation.endpoint().url)).map((entry) => [entry.name, entry]));
    return services.map((seen) => (page.has(seen.name) ? judge(page.get(seen.name), seen) : seen));
  },
};

export const calls = {
  callTool(conversation, call) {
    const started = performance.now();
    const outcome = callTool(conversation, call);
    const took = Math.round(performance.now() - started);
    log('info', 'status-page', `call ${call.token} of ${call.tool} took ${took} ms`);
    return outcome; // as it came: the contract wants that
  },
  cancel(conversation, token, reason) {
    return cancel(conversation, token, reason);
  },
};
