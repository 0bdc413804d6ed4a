// Health from the vendor's own status page: GET /status.json of the gateway's origin, in the form of Statuspage's summary.json.
// What the page says of a service comes before what the component behind says; when there is no page, that stays as it is.
// Everything else is passed on to the component behind, which is the built-in one after `component compose`.

import { Conversation as Behind } from 'pflow:gateway/discovery@0.1.0';
import { check } from 'pflow:gateway/health@0.1.0';
import { callTool, cancel } from 'pflow:gateway/calls@0.1.0';

const PAGE = '/status.json';
const STATES = {
  operational: 'ok',
  degraded_performance: 'degraded',
  partial_outage: 'degraded',
  major_outage: 'offline',
  under_maintenance: 'disabled',
};
const LABEL = 'example.com/gateway-ms'; // the member of a result's `_meta`

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

// Written in front, not parsed and printed: numbers beyond 2^53 would not survive that. A result that has a `_meta` of its own stays
// as it is.
function label(result, milliseconds) {
  if (result.includes('"_meta"')) return result;
  const rest = result.trimStart().slice(1);
  const comma = rest.trimStart().startsWith('}') ? '' : ',';
  return `{"_meta":{"${LABEL}":${milliseconds}}${comma}${rest}`;
}

// A conversation of the component behind, and the URL that it is with.
class Conversation {
  static open(endpoint, attach) {
    const conversation = new Conversation();
    conversation.behind = Behind.open(endpoint, attach);
    conversation.url = endpoint.url;
    return conversation;
  }
  session() {
    return this.behind.session();
  }
  renew() {
    return this.behind.renew();
  }
  listTools() {
    return this.behind.listTools();
  }
  close() {
    return this.behind.close();
  }
}

export const discovery = { Conversation };

export const health = {
  async check(conversation, known) {
    const services = check(conversation.behind, known);
    const page = new Map((await readPage(conversation.url)).map((entry) => [entry.name, entry]));
    return services.map((seen) => (page.has(seen.name) ? judge(page.get(seen.name), seen) : seen));
  },
};

export const calls = {
  callTool(conversation, call) {
    const started = performance.now();
    const outcome = callTool(conversation.behind, call);
    return { ...outcome, result: label(outcome.result, Math.round(performance.now() - started)) };
  },
  cancel(conversation, requestId, reason) {
    return cancel(conversation.behind, requestId, reason);
  },
};
