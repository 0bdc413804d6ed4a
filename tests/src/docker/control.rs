//! The Docker gateway's own tools: `mcp-find`, `mcp-add` and so on. They never carry a prefix, annotations or `_meta`.
//! Takes a name and arguments; gives the text that the gateway answers. Their errors are successes, as observed.
//! Never changes anything itself: what is enabled is the gateway's business.

use serde_json::{Value, json};

use crate::{rpc, services::Service};

/// The control tools seen live with `dynamic-tools` on.
pub const NAMES: &[&str] = &[
    "code-mode",
    "mcp-activate-profile",
    "mcp-add",
    "mcp-config-set",
    "mcp-create-profile",
    "mcp-exec",
    "mcp-find",
    "mcp-remove",
];

/// What the tools need to know.
pub(crate) struct Controls<'a> {
    pub(crate) known: &'a [&'a Service],
    /// The client declared `elicitation`.
    pub(crate) elicitation: bool,
    pub(crate) tools_of: &'a dyn Fn(&str) -> Vec<Value>,
}

/// As `tools/list` shows them.
pub(crate) fn definitions() -> Vec<Value> {
    let definition = |name: &&str| {
        let properties = match *name {
            "mcp-find" => json!({"query": {"type": "string"}, "limit": {"type": "integer"}}),
            "mcp-add" => json!({"name": {"type": "string"}, "activate": {"type": "boolean"}}),
            _ => json!({"name": {"type": "string"}}),
        };
        let description = format!("{name}: changes what this gateway serves");
        json!({"name": name, "description": description, "inputSchema": {"type": "object", "properties": properties}})
    };
    NAMES.iter().map(definition).collect()
}

impl Controls<'_> {
    pub(crate) fn run(&self, name: &str, arguments: &Value) -> Value {
        let word = |key: &str| arguments.get(key).and_then(Value::as_str).unwrap_or_default();
        match name {
            "mcp-find" => self.find(word("query")),
            "mcp-add" => self.add(word("name")),
            "mcp-remove" => rpc::text(format!("Successfully removed server '{}'.", word("name"))),
            "mcp-exec" => rpc::text(format!("Error: Tool '{}' not found in current session.", word("name"))),
            other => rpc::text(format!("{other}: done")),
        }
    }

    /// The catalog, not what is enabled or well; needs a keyword that matches.
    fn find(&self, query: &str) -> Value {
        let matches = self.known.iter().filter(|s| !query.is_empty() && s.name.contains(query));
        let server =
            |s: &&Service| json!({"name": s.name, "description": format!("{} tools", s.name), "long_lived": false});
        let servers: Vec<Value> = matches.map(server).collect();
        let found = json!({"prompt": query, "servers": servers, "total_matches": servers.len()});
        rpc::text(found.to_string())
    }

    fn add(&self, server: &str) -> Value {
        if !self.known.iter().any(|s| s.name == server) {
            let text =
                format!("Error: Server '{server}' not found in catalog. Use mcp-find to search for available servers.");
            return rpc::text(text);
        }
        if self.elicitation {
            return rpc::text("");
        }
        let tools = (self.tools_of)(server);
        let said = format!(
            "Successfully added {} tools in server '{server}'. Assume that it is fully configured and ready to use.",
            tools.len()
        );
        if tools.is_empty() {
            return rpc::text(said);
        }
        rpc::text(format!("{said}\n\n```json\n{}\n```", json!({"tools": tools})))
    }
}
