//! ContextForge's REST API, as far as a client of tools has use for it.
//! Takes a request for `/v1/…` or its unversioned alias; gives the answer.
//! Never shows a credential: `authType` is there, values are masked.

use serde_json::{Value, json};

use super::{Api, Backend, ContextForge, Enabled, OTHER_SERVER, Process, Reachable, SERVER, mcp::Exposed, slugify};
use crate::{reply::Answer, wire::Seen};

/// Rows of `/v1/tools` without a `limit`.
const DEFAULT_ROWS: usize = 50;
/// Rows of a page at most.
const MOST_ROWS: usize = 500;

fn detail(status: u16, text: &str) -> Answer {
    Answer::json(status, &json!({"detail": text}))
}

impl ContextForge {
    pub(super) fn rest(&self, seen: &Seen) -> Answer {
        let path = seen.path().trim_end_matches('/');
        let parts: Vec<&str> = path.strip_prefix("/v1").unwrap_or(path).split('/').skip(1).collect();
        // The successor that the `Link` header promises is not there.
        if parts.last() == Some(&"mcp") {
            return detail(404, "Not Found");
        }
        if parts.first() == Some(&".well-known") {
            return detail(404, &format!("OAuth not enabled for server: {SERVER}"));
        }
        let known = ["gateways", "tools", "servers", "version", "metrics"];
        if !parts.first().is_some_and(|first| known.contains(first)) {
            return detail(404, "Not Found");
        }
        let grant = match self.authenticate(seen, Api::Rest) {
            Ok(grant) => grant,
            Err(answer) => return answer,
        };
        let denied = || detail(403, "Access denied");
        let unscoped = grant.server.is_none();
        match (seen.method.as_str(), parts.as_slice()) {
            ("GET", ["gateways"]) if unscoped && grant.may("gateways.read") => self.gateways(seen),
            ("POST", ["gateways", id, "tools", "refresh"]) if unscoped => self.refresh(id),
            ("GET", ["tools"]) if unscoped && grant.may("tools.read") => self.tools(seen),
            ("GET", ["servers", id, rest @ ..]) => {
                if ![SERVER, OTHER_SERVER].contains(id) {
                    return detail(404, "Server not found");
                }
                let own = grant.server.as_deref().is_none_or(|own| own == *id);
                if !(own && grant.may("servers.read")) {
                    return denied();
                }
                match rest {
                    ["tools"] if grant.may("tools.read") => self.server_tools(id),
                    [] => self.server(id),
                    _ => denied(),
                }
            }
            ("GET", ["version"]) if unscoped => {
                let app = json!({"name": "ContextForge", "version": "1.0.7.post20260921", "mcp_protocol_version": "2025-11-25"});
                Answer::json(200, &json!({"app": app}))
            }
            ("GET", ["metrics"]) => Answer::json(
                200,
                &json!({"tools": {"totalExecutions": 0, "failureRate": 0.0, "avgResponseTime": null}}),
            ),
            ("GET" | "POST", _) => denied(),
            _ => detail(405, "Method Not Allowed"),
        }
    }

    fn gateways(&self, seen: &Seen) -> Answer {
        let inactive = seen.query("include_inactive") == Some("true");
        let backends = self.config().backends;
        let shown = backends.iter().filter(|b| inactive || b.enabled == Enabled::Yes);
        let rows: Vec<Value> = shown.map(|b| self.gateway(b)).collect();
        if seen.query("include_pagination") == Some("true") {
            return Answer::json(200, &json!({"gateways": rows, "nextCursor": null}));
        }
        Answer::json(200, &Value::Array(rows))
    }

    fn gateway(&self, backend: &Backend) -> Value {
        let slug = slugify(&backend.name, &self.config().separator);
        json!({"id": backend.id, "name": backend.name, "slug": slug, "url": "http://localhost:9101/mcp",
            "transport": "STREAMABLEHTTP", "enabled": backend.enabled == Enabled::Yes,
            "reachable": backend.reachable == Reachable::Yes, "status": "active", "statusMessage": null, "lastError": null,
            // UTC, without saying so.
            "lastSeen": "2026-11-22T10:35:45.123456", "toolCount": backend.service.tools.len(), "authType": "bearer",
            "authToken": "*****", "visibility": "public", "lastRefreshAt": null, "gatewayMode": "cache"})
    }

    fn refresh(&self, id: &str) -> Answer {
        let backends = self.config().backends;
        let Some(backend) = backends.iter().find(|b| b.id == id) else {
            return detail(404, "Gateway not found");
        };
        let name = &backend.name;
        Answer::json(
            200,
            &match backend.process {
                Process::Up => json!({"success": true, "error": null}),
                Process::Dead => {
                    json!({"success": false, "error": format!("Failed to initialize gateway {name}: All connection attempts failed")})
                }
                Process::RefusesCredential => {
                    let error = format!(
                        "Failed to initialize gateway {name}: Client error '401 Unauthorized' for url 'http://localhost:9101/mcp'"
                    );
                    json!({"success": false, "error": error})
                }
            },
        )
    }

    fn row(&self, exposed: &Exposed) -> Value {
        let backend = &exposed.backend;
        json!({"id": format!("{}-{}", backend.id, exposed.tool.name), "name": exposed.public, "originalName": exposed.tool.name,
            "customName": exposed.tool.name, "displayName": exposed.tool.name, "gatewayId": backend.id,
            "gatewaySlug": slugify(&backend.name, &self.config().separator), "federationSource": backend.name,
            "enabled": backend.enabled == Enabled::Yes, "reachable": backend.reachable == Reachable::Yes,
            "url": "http://localhost:9101/mcp", "integrationType": "MCP", "requestType": "STREAMABLEHTTP",
            "annotations": exposed.tool.rest.get("annotations").cloned().unwrap_or_else(|| json!({})), "tags": []})
    }

    /// Not paginated.
    fn server_tools(&self, id: &str) -> Answer {
        let tools = self.exposed(Some(id));
        let enabled = tools.iter().filter(|t| t.backend.enabled == Enabled::Yes);
        Answer::json(200, &Value::Array(enabled.map(|t| self.row(t)).collect()))
    }

    fn server(&self, id: &str) -> Answer {
        let tools = self.exposed(Some(id));
        let names: Vec<&str> = tools.iter().map(|t| t.public.as_str()).collect();
        let ids: Vec<String> = tools.iter().map(|t| format!("{}-{}", t.backend.id, t.tool.name)).collect();
        Answer::json(200, &json!({"id": id, "name": "work-tools", "associatedTools": names, "associatedToolIds": ids}))
    }

    fn tools(&self, seen: &Seen) -> Answer {
        let of = seen.query("gateway_id");
        let all = self.exposed(None);
        let rows: Vec<Value> =
            all.iter().filter(|t| of.is_none_or(|id| t.backend.id == id)).map(|t| self.row(t)).collect();
        let limit = match seen.query("limit").and_then(|l| l.parse::<usize>().ok()) {
            None => DEFAULT_ROWS,
            Some(0) => usize::MAX,
            Some(limit) => limit.min(MOST_ROWS),
        };
        let start = seen.query("cursor").and_then(|c| c.parse::<usize>().ok()).unwrap_or(0);
        let end = start.saturating_add(limit).min(rows.len());
        let page = rows.get(start..end).unwrap_or_default();
        if seen.query("include_pagination") == Some("true") {
            let next = (end < rows.len()).then(|| end.to_string());
            return Answer::json(200, &json!({"tools": page, "nextCursor": next}));
        }
        Answer::json(200, &json!(page))
    }
}
