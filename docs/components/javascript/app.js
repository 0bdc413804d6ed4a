// Health from the vendor's own status page: GET /status.json of the gateway's origin, in the form of Statuspage's summary.json.
// What the page says of a service comes before what the component behind says; when there is no page, that stays as it is.
// How long each call took goes to the log (`-v` shows it).
// Everything else is passed on to the component behind, which is the built-in one after `pflow-gateway-compose`.

import { Conversation as Behind } from 'pflow:gateway/discovery@0.2.0';
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
    const took = Math.round(performance.now() - started);
    log('info', 'status-page', `call ${call.requestId} of ${call.tool} took ${took} ms`);
    return outcome; // as it came: the contract wants that
  },
  cancel(conversation, requestId, reason) {
    return cancel(conversation.behind, requestId, reason);
  },
};
