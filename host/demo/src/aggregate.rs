//! The demo gateway itself: the tools of all services behind one URL, each named after its service.
//! Takes ways to the services; gives an rmcp handler. Adds nothing to a service's answer.

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult,
        MetaObject, PaginatedRequestParams, ResultType, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use serde_json::json;

use super::forward::{Forward, ForwardError};

/// The `_meta` member by which the demo gateway says which service a tool is from.
const SERVICE: &str = "pflow.dev/service";

/// The member of a page's `_meta` in which it says the same itself: what stands at a tool could be the tool's own word.
const SERVICES: &str = "pflow.dev/services";

/// The gateway's handler.
#[derive(Clone)]
pub(super) struct Aggregate {
    routes: Arc<[Route]>,
    tools: Arc<[Tool]>,
    page: NonZeroUsize,
}

struct Route {
    service: &'static str,
    way: Forward,
}

/// Whether a tool is named after this service.
fn is_of(tool: &str, service: &str) -> bool {
    tool.strip_prefix(service).is_some_and(|rest| rest.starts_with('_'))
}

impl Aggregate {
    /// Asks every service for its tools.
    pub(super) async fn over(ways: Vec<(&'static str, Forward)>, page: NonZeroUsize) -> Result<Self, ForwardError> {
        let mut tools = Vec::new();
        let mut routes = Vec::new();
        for (service, way) in ways {
            let listed = way.ask("tools/list", json!({})).await?;
            let listed: ListToolsResult =
                serde_json::from_value(listed).map_err(|error| ForwardError::Transport(error.to_string()))?;
            for mut tool in listed.tools {
                tool.name = format!("{service}_{}", tool.name).into();
                let mut meta = MetaObject::new();
                meta.0.insert(SERVICE.to_owned(), service.into());
                tools.push(tool.with_meta(meta));
            }
            routes.push(Route { service, way });
        }
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { routes: routes.into(), tools: tools.into(), page })
    }

    /// How many tools there are of each service.
    pub(super) fn count(&self, service: &str) -> usize {
        self.tools.iter().filter(|tool| is_of(&tool.name, service)).count()
    }

    fn page(&self, cursor: Option<&str>) -> Result<ListToolsResult, ErrorData> {
        let from = match cursor {
            None => 0,
            Some(cursor) => cursor
                .strip_prefix("from-")
                .and_then(|from| from.parse().ok())
                .filter(|from| *from < self.tools.len())
                .ok_or_else(|| ErrorData::invalid_params(format!("Invalid cursor: {cursor}"), None))?,
        };
        let mut page =
            ListToolsResult::with_all_items(self.tools.iter().skip(from).take(self.page.get()).cloned().collect());
        let next = from.saturating_add(page.tools.len());
        let mut services: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for tool in &page.tools {
            if let Some(route) = self.routes.iter().find(|route| is_of(&tool.name, route.service)) {
                services.entry(route.service).or_default().push(&tool.name);
            }
        }
        let mut meta = MetaObject::new();
        meta.0.insert(SERVICES.to_owned(), json!(services));
        page.meta = Some(meta);
        page.next_cursor = (next < self.tools.len()).then(|| format!("from-{next}"));
        Ok(page)
    }

    async fn pass(&self, request: CallToolRequestParams) -> Result<CallToolResult, ErrorData> {
        let unknown = || ErrorData::invalid_params(format!("Unknown tool: {}", request.name), None);
        let (route, tool) = self
            .routes
            .iter()
            .find_map(|route| request.name.strip_prefix(route.service)?.strip_prefix('_').map(|tool| (route, tool)))
            .ok_or_else(unknown)?;
        let params = json!({"name": tool, "arguments": request.arguments.clone().unwrap_or_default()});
        match route.way.ask("tools/call", params).await {
            Ok(result) => {
                let mut result: CallToolResult = serde_json::from_value(result)
                    .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
                // The services speak the older protocol, which has no such member; in the newer one every result has it (2026-07-28,
                // Result). rmcp takes it out again for a peer of the older one.
                result.result_type = Some(ResultType::COMPLETE);
                Ok(result)
            }
            Err(ForwardError::Rpc { code: -32602, .. }) => Err(unknown()),
            Err(error) => Ok(CallToolResult::error(vec![ContentBlock::text(format!("{}: {error}", route.service))])),
        }
    }
}

impl ServerHandler for Aggregate {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("pflow-gateway-demo", env!("CARGO_PKG_VERSION")))
            .with_instructions("A demo gateway: made-up data of a code host, a chat and a weather service.")
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.page(request.and_then(|request| request.cursor).as_deref())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.pass(request).await.map(CallToolResponse::from)
    }
}

impl std::fmt::Debug for Aggregate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aggregate").field("tools", &self.tools.len()).finish_non_exhaustive()
    }
}
