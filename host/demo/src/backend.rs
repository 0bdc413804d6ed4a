//! One service as an MCP server of its own.
//! Takes a [`Service`]; gives an rmcp handler. Knows nothing of the gateway in front of it.

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
};

use super::service::Service;

/// The handler of one service.
#[derive(Clone)]
pub(super) struct Backend {
    service: Arc<dyn Service>,
}

impl Backend {
    pub(super) fn new(service: impl Service) -> Self {
        Self { service: Arc::new(service) }
    }

    fn answer(&self, request: &CallToolRequestParams) -> Result<CallToolResult, ErrorData> {
        let Some(spec) = self.service.tools().iter().find(|spec| spec.name == request.name) else {
            return Err(ErrorData::invalid_params(format!("Unknown tool: {}", request.name), None));
        };
        let arguments = request.arguments.clone().unwrap_or_default();
        let answer = spec.check(&arguments).and_then(|()| self.service.call(spec.name, &arguments));
        Ok(match answer {
            Ok(value) => CallToolResult::structured(value),
            Err(sentence) => CallToolResult::error(vec![ContentBlock::text(sentence)]),
        })
    }
}

impl ServerHandler for Backend {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new(format!("demo-{}", self.service.name()), env!("CARGO_PKG_VERSION")))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.service.tools().iter().map(super::service::Spec::listed).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.answer(&request).map(CallToolResponse::from)
    }
}
