//! Components that are small and take the compiler for ever: each is refused by what is in it, before anything is compiled.
//! Takes shapes that were measured without these limits: 0.9 MB of nested components took 7.8 GiB, one function with 50,000 local
//! variables more than two minutes.

use pflow_gateway::runtime::{CodeStore, LoadError, Unfit};
use wasm_encoder::{
    CodeSection, Component, ComponentSection as _, Function, FunctionSection, Module, NestedComponentSection,
    TypeSection, ValType,
};

use super::{
    appended::{load, module, with_module},
    guest,
    stand::limits,
};

/// The hostile component, which is good in itself, with one more section.
fn with(section: &impl wasm_encoder::ComponentSection) -> Vec<u8> {
    let mut bytes = std::fs::read(guest::component("hostile")).unwrap();
    section.append_to_component(&mut bytes);
    bytes
}

#[track_caller]
fn refused(bytes: &[u8], why: &str) {
    let cache = tempfile::tempdir().unwrap();
    let store = CodeStore { packaged: None, cache: Some(cache.path().join("cache")) };
    let error = load(bytes, limits(), &store).unwrap_err();
    let LoadError::Unfit { source: Unfit::TooMuch { what, most }, .. } = error else { panic!("{error:?}") };
    assert_eq!(format!("{most} {what}"), why);
    assert!(!store.cache.unwrap().exists(), "it was compiled");
}

#[test]
fn components_inside_of_components_inside_of_components() {
    let mut inner = Component::new();
    for _ in 0..1_000 {
        let mut outer = Component::new();
        outer.section(&NestedComponentSection(&inner));
        inner = outer;
    }
    refused(&with(&NestedComponentSection(&inner)), "32 nested modules and components");
}

#[test]
fn thousands_of_empty_components() {
    let mut bytes = std::fs::read(guest::component("hostile")).unwrap();
    for _ in 0..20_000 {
        NestedComponentSection(&Component::new()).append_to_component(&mut bytes);
    }
    refused(&bytes, "500 modules and components");
}

#[test]
fn one_function_with_thousands_of_local_variables() {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut code = CodeSection::new();
    let mut function = Function::new([(25_000, ValType::I64), (25_000, ValType::F64)]);
    function.instructions().end();
    code.function(&function);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    refused(&with_module(&module, 0), "10000 local variables in one function");
}

#[test]
fn one_function_of_megabytes() {
    let long = module(1, 1, |f| {
        for _ in 0..400_000 {
            f.instructions().i32_const(1).drop();
        }
    });
    refused(&with_module(&long, 1), "524288 bytes in one function");
}

#[test]
fn hundreds_of_thousands_of_functions() {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    for _ in 0..200_001 {
        functions.function(0);
        let mut function = Function::new([]);
        function.instructions().end();
        code.function(&function);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    refused(&with_module(&module, 0), "200000 functions");
}

#[test]
fn what_is_refused_is_not_what_ordinary_components_are() {
    // Every component of the tests, and the three languages' of docs/components (`test_components.py`), are compiled.
    load(&with(&NestedComponentSection(&Component::new())), limits(), &CodeStore::default()).unwrap();
}
