//! Which service a tool is from, by the rule of one company. Everything else is passed on to the component behind.
//! Takes a catalogue and gives it with other provenance, and passes everything else on as it came. Talks to nobody itself.

mod bindings {
    wit_bindgen::generate!({
        path: "../../../../wit",
        inline: "
            package acme:rule;
            world rule {
                import pflow:gateway/discovery@0.2.0;
                import pflow:gateway/health@0.2.0;
                import pflow:gateway/calls@0.2.0;
                import pflow:gateway/log@0.2.0;
                export pflow:gateway/discovery@0.2.0;
                export pflow:gateway/health@0.2.0;
                export pflow:gateway/calls@0.2.0;
            }
        ",
        world: "acme:rule/rule",
        generate_all,
    });
}

use std::collections::BTreeMap;

use bindings::{
    exports::pflow::gateway::{calls, discovery, health},
    pflow::gateway::{
        calls as behind_calls, discovery as behind, health as behind_health, log,
        types::{Attribution, Catalog, Confidence, Endpoint, Failure, Provenance, Service, Session, Status},
    },
};

/// The rule: `SYSTEM.what_it_does`, for the systems that there are.
fn service_of(tool: &str) -> Option<&str> {
    let (system, _) = tool.split_once('.')?;
    ["crm", "erp", "hr", "warehouse"].contains(&system).then_some(system)
}

/// Applies the rule to every tool, and counts the services anew.
fn attribute(catalog: &mut Catalog) {
    for tool in &mut catalog.tools {
        if let Some(service) = service_of(&tool.name) {
            tool.provenance = Provenance {
                service: Some(service.to_owned()),
                service_id: None,
                // A rule of ours: what is `declared` stands in the entry.
                attribution: Attribution::Claimed,
                confidence: Confidence::High,
                evidence: format!("the company's rule: {service}.* is {service}"),
                original_name: tool.name.split_once('.').map(|(_, name)| name.to_owned()),
            };
        }
    }
    let mut counts = BTreeMap::<&str, u32>::new();
    for tool in &catalog.tools {
        if let Some(service) = &tool.provenance.service {
            *counts.entry(service).or_default() += 1;
        }
    }
    catalog.services.retain(|service| counts.contains_key(service.name.as_str()));
    for (name, tools) in counts {
        match catalog.services.iter_mut().find(|service| service.name == name) {
            Some(service) => service.tools = tools,
            None => catalog.services.push(Service {
                name: name.to_owned(),
                tools,
                attribution: Attribution::Claimed,
                confidence: Confidence::High,
                status: Status::Unknown,
                evidence: vec!["the company's rule".to_owned()],
            }),
        }
    }
}

struct Rule;

/// A conversation is one of the component behind.
struct Conversation(behind::Conversation);

impl discovery::Guest for Rule {
    type Conversation = Conversation;
}

impl discovery::GuestConversation for Conversation {
    fn open(endpoint: Endpoint, attach: Option<Vec<u8>>) -> Result<discovery::Conversation, Failure> {
        let conversation = behind::Conversation::open(&endpoint, attach.as_deref())?;
        Ok(discovery::Conversation::new(Self(conversation)))
    }

    fn endpoint(&self) -> Endpoint {
        self.0.endpoint()
    }

    fn session(&self) -> Session {
        self.0.session()
    }

    fn state(&self) -> Vec<u8> {
        self.0.state()
    }

    fn renew(&self) -> Result<(), Failure> {
        self.0.renew()
    }

    fn list_tools(&self) -> Result<Catalog, Failure> {
        let mut catalog = self.0.list_tools()?;
        attribute(&mut catalog);
        Ok(catalog)
    }

    fn close(&self) -> Result<(), Failure> {
        self.0.close()
    }
}

impl health::Guest for Rule {
    fn check(conversation: health::ConversationBorrow<'_>, known: Vec<Service>) -> Result<Vec<health::ServiceHealth>, Failure> {
        let told = behind_health::check(&conversation.get::<Conversation>().0, &known)?;
        let same = |behind_health::ServiceHealth { name, status, tools, evidence, last_seen }| health::ServiceHealth {
            name,
            status,
            tools,
            evidence,
            last_seen,
        };
        Ok(told.into_iter().map(same).collect())
    }
}

impl calls::Guest for Rule {
    fn call_tool(conversation: calls::ConversationBorrow<'_>, call: calls::Call) -> Result<calls::Outcome, Failure> {
        if let Some(system) = service_of(&call.tool) {
            log::log(log::Level::Info, "rule", &format!("call {} of {} goes to {system}", call.token, call.tool));
        }
        let calls::Call { tool, input_schema, service, arguments, token, progress, meta } = call;
        let call = behind_calls::Call { tool, input_schema, service, arguments, token, progress, meta };
        let behind_calls::Outcome { result, failed, failure } =
            behind_calls::call_tool(&conversation.get::<Conversation>().0, &call)?;
        Ok(calls::Outcome { result, failed, failure })
    }

    fn cancel(conversation: calls::ConversationBorrow<'_>, token: u32, reason: String) -> Result<(), Failure> {
        behind_calls::cancel(&conversation.get::<Conversation>().0, token, &reason)
    }
}

bindings::export!(Rule with_types_in bindings);
