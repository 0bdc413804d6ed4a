//! What a component knows of products.
//! Takes a component; gives its products, fit for a terminal. Asks it once, in an instance of its own that reaches nobody, and only when
//! somebody wants to know.

use std::{sync::Arc, time::Duration};

use url::Url;

use super::{
    Conversation, Kind, Runtime,
    bindings::products,
    error::{Failure, ProductsError},
    state::Events,
};
use pflow_gateway_base::scrub;
use pflow_gateway_host_egress::{Addresses, Egress, EgressLimits, EgressOptions};

/// It only has to write down what it knows.
const PATIENCE: Duration = Duration::from_secs(2);
/// Products, and ports, words and flags of one.
const MOST: usize = 64;
/// Characters of a text.
const LONG: usize = 500;

/// A product. Described item by item in `wit/gateway.wit`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Product {
    /// Its identifier.
    pub kind: Kind,
    /// What people call it.
    pub title: String,
    /// How it is told from others.
    pub recognised_by: String,
    /// The name that is proposed for an entry.
    pub entry_name: String,
    /// Where it usually listens.
    pub ports: Vec<u16>,
    /// The path of its MCP endpoint.
    pub path: String,
    /// Where its own documentation keeps the token.
    pub token_variable: String,
    /// A command that starts one.
    pub start: Option<String>,
    /// What to know before giving its URL.
    pub url_hint: Option<String>,
    /// How to find out whether it runs at all.
    pub liveness: Option<Liveness>,
    /// What becomes of a service that is not there.
    pub absence: Option<Absence>,
    /// How programs start it for themselves.
    pub stdio: Option<StdioStart>,
}

/// A path that says whether a gateway runs at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "described in wit/gateway.wit")]
pub struct Liveness {
    pub path: String,
    pub silent: String,
}

/// A service that is listed no more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "described in wit/gateway.wit")]
pub struct Absence {
    pub why: String,
    pub remedy: String,
}

/// A command that starts a product for one program alone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "described in wit/gateway.wit")]
pub struct StdioStart {
    pub words: Vec<String>,
    pub transport_flags: Vec<String>,
    pub instead: String,
}

impl StdioStart {
    /// What to run instead of this command. None: it starts something else.
    #[must_use]
    pub fn instead_of(&self, command: &str, args: &[&str]) -> Option<String> {
        let program = command.rsplit(['/', '\\']).next().unwrap_or(command).to_lowercase();
        let (first, further) = self.words.split_first()?;
        if program.strip_suffix(".exe").unwrap_or(&program) != first {
            return None;
        }
        let (own, rest) = args.split_at_checked(further.len())?;
        if own != further {
            return None;
        }
        let mut instead = self.instead.clone();
        let mut words = rest.iter();
        while let Some(word) = words.next() {
            let (flag, value) = word.split_once('=').map_or((*word, None), |(flag, value)| (flag, Some(value)));
            if !self.transport_flags.iter().any(|known| known == flag) {
                instead.push(' ');
                instead.push_str(&scrub::line(word, 200));
            } else if value.is_none() {
                words.next();
            }
        }
        Some(instead)
    }
}

impl Runtime {
    /// The products that this component knows, in the order in which it offers them.
    ///
    /// # Errors
    ///
    /// It failed, or what it says is no list of products.
    pub async fn products(&self) -> Result<&[Product], ProductsError> {
        // A component that fails at this does so each time: nobody waits for it again.
        let known = self.products.get_or_init(|| self.ask_for_products()).await;
        known.as_deref().map_err(Clone::clone)
    }

    async fn ask_for_products(&self) -> Result<Vec<Product>, ProductsError> {
        let failed = |failure| match failure {
            Failure::Host(stopped) => ProductsError::Stopped(stopped),
            Failure::Gateway(..) => ProductsError::Unasked,
        };
        let egress = nowhere()?;
        let mut instance = Conversation::start(self, egress, Arc::new(Deaf), PATIENCE).await.map_err(failed)?;
        let known = instance.products(PATIENCE).await.map_err(failed)?;
        let products: Vec<Product> = known.into_iter().take(MOST).filter_map(read).collect();
        if products.iter().any(|product| product.kind.is_generic()) {
            return Ok(products);
        }
        Err(ProductsError::NoGeneric { component: self.source().to_owned() })
    }
}

/// A way out that leads nowhere: what is known of products stands in the component.
fn nowhere() -> Result<Egress, ProductsError> {
    let url = Url::parse("http://127.0.0.1:1/")?;
    let mut options = EgressOptions::new(url);
    options.addresses = Addresses::Public;
    Egress::new(&options, &EgressLimits::default()).map_err(|error| Arc::new(error).into())
}

/// Nobody listens.
struct Deaf;

impl Events for Deaf {
    fn progress(&self, _: u32, _: f64, _: Option<f64>, _: Option<String>) {}
    fn message(&self, _: Option<u32>, _: String, _: Option<String>, _: String) {}
    fn tools_changed(&self) {}
}

/// None: it has no identifier that could stand in an entry.
fn read(product: products::Product) -> Option<Product> {
    let text = |text: &str| scrub::line(text, LONG);
    let maybe = |given: Option<String>| given.as_deref().map(text).filter(|text| !text.is_empty());
    let all = |texts: Vec<String>| texts.iter().take(MOST).map(|word| text(word)).collect();
    Some(Product {
        kind: Kind::parse(&product.id)?,
        title: text(&product.title),
        recognised_by: text(&product.recognised_by),
        entry_name: text(&product.entry_name),
        ports: product.ports.into_iter().take(MOST).filter(|port| *port != 0).collect(),
        path: if product.path.starts_with('/') { text(&product.path) } else { "/mcp".to_owned() },
        token_variable: text(&product.token_variable),
        start: maybe(product.start),
        url_hint: maybe(product.url_hint),
        liveness: product
            .liveness
            .map(|liveness| Liveness { path: text(&liveness.path), silent: text(&liveness.silent) })
            .filter(|liveness| liveness.path.starts_with('/')),
        absence: product.absence.map(|absence| Absence { why: text(&absence.why), remedy: text(&absence.remedy) }),
        stdio: product.stdio.map(|stdio| StdioStart {
            words: all(stdio.words),
            transport_flags: all(stdio.transport_flags),
            instead: text(&stdio.instead),
        }),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;
    use crate::Source;

    #[tokio::test]
    async fn the_built_in_component_offers_its_products_in_order() {
        let runtime = Runtime::new(&Source::BuiltIn).unwrap();
        let products = runtime.products().await.unwrap();
        let ids: Vec<&str> = products.iter().map(|product| product.kind.as_str()).collect();
        assert_eq!(ids, ["docker", "context-forge", "generic"]);
        for product in products {
            assert!(!product.title.is_empty() && !product.ports.is_empty(), "{product:?}");
            assert!(product.path.starts_with('/'), "{product:?}");
        }
    }

    #[test]
    fn a_command_that_starts_a_product_is_known_by_its_first_words() {
        let start = StdioStart {
            words: ["acme", "gw", "run"].map(str::to_owned).into(),
            transport_flags: ["--transport", "--port"].map(str::to_owned).into(),
            instead: "acme gw run --http".to_owned(),
        };
        let instead = |command: &str, args: &[&str]| start.instead_of(command, args);
        assert_eq!(instead("acme", &["gw", "run"]).as_deref(), Some("acme gw run --http"));
        assert_eq!(
            instead("/usr/bin/ACME.exe", &["gw", "run", "--transport", "stdio", "--port=1", "--servers=a"]).as_deref(),
            Some("acme gw run --http --servers=a")
        );
        for (command, args) in [("acme2", &["gw", "run"][..]), ("acme", &["gw"]), ("acme", &["gw", "stop"])] {
            assert_eq!(instead(command, args), None, "{command} {args:?}");
        }
    }
}
