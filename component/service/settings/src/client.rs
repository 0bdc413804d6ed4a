//! Who may come in, and what each of them is shown.
//! Takes `CLIENTS`; gives [`Clients`]. Never holds a token, only where it is.

use crate::{Filter, Gateway, Problem, Result, Template, member::Member};

/// Who may come in.
#[derive(Clone, Debug, PartialEq)]
pub enum Clients {
    /// Whoever reaches the service: something before it decides.
    Anyone,
    /// Who brings one of these tokens.
    Named(Vec<Client>),
}

/// A team, a machine, an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// What it is called in logs.
    pub name: String,
    /// Where its token is.
    pub token: Template,
    /// Names of gateways; none: all.
    pub gateways: Option<Vec<String>>,
    /// What it is shown, of what the gateway's own filter lets through.
    pub filter: Filter,
}

pub(crate) fn read(clients: &Member, gateways: &[Gateway]) -> Result<Vec<Client>> {
    let mut named = Vec::new();
    for (name, member) in clients.members()? {
        member.only(&["token", "gateways", "services", "tools", "trust"])?;
        let token = member.required("token")?;
        let template = Template::new(token.string()?);
        if template.variables().is_empty() {
            return Err(Problem::new(token.path(), "must point to a variable, like \"${TEAM_TOKEN}\"")
                .with_remedy("put the token into that variable, from the engine's secrets"));
        }
        let wanted = member.get("gateways").map(|list| list.strings()).transpose()?;
        if let Some(other) = wanted.iter().flatten().find(|name| !gateways.iter().any(|one| one.name == **name)) {
            return Err(Problem::new(
                format!("{}.gateways", member.path()),
                format!("names {other:?}, and GATEWAYS does not"),
            ));
        }
        let filter = Filter::read(&member)?;
        named.push(Client { name, token: template, gateways: wanted, filter });
    }
    if named.is_empty() {
        return Err(Problem::new(clients.path(), "names no client").with_remedy(
            "name who may come in, or write \"anyone\" where something before this service decides that",
        ));
    }
    Ok(named)
}
