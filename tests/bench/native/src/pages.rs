//! The catalogue, as the bytes of its pages.
//! Takes how many tools and how many on a page; gives the result of `tools/list` for a cursor. Never makes a page twice.

use serde_json::{Value, json};

/// Of each hundred tools, as many belong to these.
const SERVICES: [(&str, usize); 3] = [("github", 40), ("slack", 40), ("lab", 20)];

/// All pages of one catalogue, each the text of a result.
pub(crate) struct Pages {
    legacy: Vec<String>,
    modern: Vec<String>,
}

impl Pages {
    pub(crate) fn new(tools: usize, page: usize) -> Self {
        let page = page.max(1);
        let starts: Vec<usize> = (0..tools.max(1)).step_by(page).collect();
        let of = |start: &usize| {
            let end = (start + page).min(tools);
            let mut result = json!({"tools": (*start..end).map(tool).collect::<Vec<_>>()});
            if end < tools
                && let Some(object) = result.as_object_mut()
            {
                object.insert("nextCursor".to_owned(), json!(cursor(end / page)));
            }
            result
        };
        let legacy: Vec<Value> = starts.iter().map(of).collect();
        let modern = |page: &Value| {
            let mut page = page.clone();
            if let Some(object) = page.as_object_mut() {
                object.insert("ttlMs".to_owned(), json!(0));
                object.insert("cacheScope".to_owned(), json!("private"));
            }
            crate::serve::complete(page).to_string()
        };
        Self { modern: legacy.iter().map(modern).collect(), legacy: legacy.iter().map(Value::to_string).collect() }
    }

    /// The result for a cursor; none for one that was never handed out.
    pub(crate) fn result(&self, cursor: Option<&str>, modern: bool) -> Option<&str> {
        let page = match cursor {
            None => 0,
            Some(cursor) => cursor.strip_prefix("page-")?.parse().ok()?,
        };
        let pages = if modern { &self.modern } else { &self.legacy };
        pages.get::<usize>(page).map(String::as_str)
    }
}

/// Known before the page is asked for: curl asks for all of them in one command.
fn cursor(page: usize) -> String {
    format!("page-{page}")
}

/// A tool like those of real services: two arguments, a description of a line.
fn tool(number: usize) -> Value {
    let mut within = number % 100;
    let service = SERVICES.iter().find(|(_, share)| {
        let here = within < *share;
        within = within.saturating_sub(*share);
        here
    });
    let service = service.map_or("lab", |(name, _)| name);
    json!({
        "name": format!("{service}_tool_{number}"),
        "description": format!("Tool {number} of {service}: takes a query and gives what was found for it"),
        "inputSchema": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "What to look for"},
                "limit": {"type": "integer", "description": "How many at most", "default": 10}
            },
            "required": ["query"]
        }
    })
}
