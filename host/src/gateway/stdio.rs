//! An entry that starts a known product for pflow alone, where one gateway over HTTP would serve everybody.
//! Takes the error that it is no gateway; gives it in the product's words, as far as a component knows them. Starts nothing.

use crate::{
    Error,
    config::ConfigFile,
    runtime::{Limits, Product, Runtime, Source},
    scrub,
};

/// The same error, or what to do instead of starting this product so.
pub async fn told_of_stdio(error: Error, file: &ConfigFile, target: &str, component: &Source) -> Error {
    let Some((command, args)) = file.started(target) else { return error };
    let source = component.clone();
    let runtime = tokio::task::spawn_blocking(move || Runtime::shared(&source, &Limits::default())).await;
    let Ok(Ok(runtime)) = runtime else { return error };
    let Ok(products) = runtime.products().await else { return error };
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let known =
        products.iter().find_map(|product| Some((product, product.stdio.as_ref()?.instead_of(&command, &args)?)));
    let Some((Product { title, entry_name, token_variable, path, ports, .. }, instead)) = known else { return error };
    let port = ports.first().copied().unwrap_or(8000);
    Error::config(format!(
        "{} is {title}, which pflow starts for itself and talks to over stdio",
        scrub::line(target, 100)
    ))
    .with_hint(format!(
        "start it once over HTTP, with {token_variable} set: {instead}; then: pflow-gateway add {entry_name} \
         http://127.0.0.1:{port}{path} --bearer-env {token_variable}"
    ))
}
