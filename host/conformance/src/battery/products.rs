//! `products`: what the component knows of products, whoever is asked.
//! Looks at the list, and at what becomes of a product that is not in it.

use std::collections::BTreeSet;

use super::{
    super::{
        gateway::Gateway,
        stage::Stage,
        verdict::{Verdict, fails, ok, same, shown, want},
    },
    checks,
};
use pflow_gateway_runtime::Kind;
use pflow_gateway_runtime::types::{Delivery, FailureCode};

checks! { Products:
    offers_generic, "products.known",
        "offers generic, and offers it last",
        "generic at the end, and once";
    has_good_ids, "types.product-id",
        "gives every product an identifier that can stand in an entry",
        "lower-case letters, digits and -, at most 40, each once";
    says_the_same_again, "products.known",
        "says the same each time, and sends no request",
        "the same list twice, before and after a conversation, and no request for it";
    fills_in_what_is_usual, "products.product",
        "says of every product what a user is shown",
        "a title, a name for an entry, a port, a path that begins with /, and the name of a variable";
    refuses_an_unknown_product, "types.failure-code.unsupported",
        "refuses a product that it does not know, without asking anybody",
        "unsupported, not delivered, and no request";
}

async fn ids(stage: &Stage) -> Result<Vec<String>, super::super::verdict::Miss> {
    let mut scene = stage.scene(Gateway::legacy()).await?;
    Ok(ok("known", scene.guest.products().await)?.into_iter().map(|product| product.id).collect())
}

async fn offers_generic(stage: Stage) -> Verdict {
    let ids = ids(&stage).await?;
    want(ids.last().is_some_and(|id| id == "generic"), || format!("the products are {}", shown(&ids)))?;
    same("generic is there, times:", &ids.iter().filter(|id| *id == "generic").count(), &1)?;
    Ok(ids.join(", "))
}

async fn has_good_ids(stage: Stage) -> Verdict {
    let ids = ids(&stage).await?;
    let bad: Vec<&String> = ids.iter().filter(|id| Kind::parse(id).is_none()).collect();
    want(bad.is_empty(), || format!("no identifiers: {}", shown(&bad)))?;
    let different: BTreeSet<&String> = ids.iter().collect();
    want(different.len() == ids.len(), || format!("one is there twice: {}", shown(&ids)))?;
    Ok(ids.join(", "))
}

async fn says_the_same_again(stage: Stage) -> Verdict {
    let mut scene = stage.scene(Gateway::legacy()).await?;
    let before = ok("known", scene.guest.products().await)?;
    let asked = scene.peer.received().len();
    want(asked == 0, || format!("{asked} requests"))?;
    scene.open().await?;
    scene.list().await?;
    let after = ok("known", scene.guest.products().await)?;
    same("the second time:", &format!("{after:?}"), &format!("{before:?}"))?;
    Ok(format!("{} products, twice", before.len()))
}

async fn fills_in_what_is_usual(stage: Stage) -> Verdict {
    let mut scene = stage.scene(Gateway::legacy()).await?;
    let known = ok("known", scene.guest.products().await)?;
    for product in &known {
        let texts = [&product.title, &product.recognised_by, &product.entry_name, &product.token_variable];
        let whole = texts.iter().all(|text| !text.trim().is_empty()) && !product.ports.is_empty();
        want(whole && product.path.starts_with('/'), || format!("of {}: {}", product.id, shown(product)))?;
    }
    Ok(format!("all of that, {} times", known.len()))
}

async fn refuses_an_unknown_product(stage: Stage) -> Verdict {
    let mut scene = stage.scene(Gateway::legacy()).await?;
    scene.endpoint.kind = Some("no-such-product-of-the-kit".to_owned());
    let found = fails(scene.try_open().await, |failure| {
        matches!(failure.code, FailureCode::Unsupported) && failure.delivery == Delivery::NotDelivered
    })?;
    let asked = scene.peer.received().len();
    want(asked == 0, || format!("{asked} requests"))?;
    Ok(found)
}
