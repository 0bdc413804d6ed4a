//! Attacks of start-up: core modules that no compiler makes, appended to the hostile component and instantiated after everything else.
//! Takes a module; gives what became of starting it. Start functions are guest code, and must meet the same limits.

use std::sync::Arc;

use pflow_gateway::{
    Error,
    runtime::{CodeStore, Conversation, Failure, Limits, LoadError, Runtime, Source, Stopped},
};
use wasm_encoder::{
    BlockType, CodeSection, ComponentSection as _, ConstExpr, Function, FunctionSection, GlobalSection, GlobalType,
    HeapType, InstanceSection, MemorySection, MemoryType, Module, ModuleArg, ModuleSection, RefType, StartSection,
    TableSection, TableType, TypeSection, ValType,
};
use wasmparser::{Parser, Payload};

use super::{
    guest,
    stand::{PATIENCE, RecordedEvents, Stand, limits},
};

/// The hostile component with one more core module, instantiated `times` times.
pub(super) fn with_module(module: &Module, times: usize) -> Vec<u8> {
    let mut bytes = std::fs::read(guest::component("hostile")).unwrap();
    let (mut depth, mut modules) = (0, 0);
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } => {
                modules += u32::from(depth == 0);
                depth += 1;
            }
            Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            _ => {}
        }
    }
    ModuleSection(module).append_to_component(&mut bytes);
    let mut instances = InstanceSection::new();
    for _ in 0..times {
        instances.instantiate(modules, Vec::<(&str, ModuleArg)>::new());
    }
    instances.append_to_component(&mut bytes);
    bytes
}

/// A module with a memory and a table of this size, and a start function with this body.
pub(super) fn module(pages: u64, elements: u64, body: impl FnOnce(&mut Function)) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: elements,
        maximum: None,
        shared: false,
    });
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: pages, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut globals = GlobalSection::new();
    globals.global(GlobalType { val_type: ValType::I32, mutable: true, shared: false }, &ConstExpr::i32_const(0));
    let mut function = Function::new([]);
    body(&mut function);
    function.instructions().end();
    let mut code = CodeSection::new();
    code.function(&function);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&tables).section(&memories).section(&globals);
    module.section(&StartSection { function_index: 0 }).section(&code);
    module
}

/// Loads these bytes with these limits.
pub(super) fn load(bytes: &[u8], limits: Limits, code: &CodeStore) -> Result<Arc<Runtime>, LoadError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    Runtime::with(&Source::File(file.path().to_owned()), limits, code)
}

/// Why it does not start.
async fn refused(bytes: &[u8]) -> Stopped {
    let stand = Stand::with(load(bytes, limits(), &CodeStore::default()).unwrap()).await;
    let started =
        Conversation::start(&stand.runtime, stand.egress(&[], &[]), Arc::new(RecordedEvents::default()), PATIENCE)
            .await;
    match started {
        Err(Failure::Host(stopped)) => stopped,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it started"),
    }
}

async fn refused_by(limit: &str, bytes: &[u8]) {
    let stopped = refused(bytes).await;
    let Stopped::Limit(reached) = stopped else { panic!("{stopped:?}") };
    assert!(reached.to_string().contains(&format!("(limit `{limit}`)")), "{reached:?}");
}

#[tokio::test]
async fn a_harmless_module_starts() {
    let runtime = load(&with_module(&module(1, 1, |_| {}), 1), limits(), &CodeStore::default()).unwrap();
    Stand::with(runtime).await.behaves().await;
}

#[tokio::test]
async fn a_start_function_that_spins_meets_the_cpu_limit() {
    let spin = module(1, 1, |f| {
        f.instructions().loop_(BlockType::Empty).br(0).end();
    });
    refused_by("cpu", &with_module(&spin, 1)).await;
}

#[tokio::test]
async fn a_start_function_that_grows_memory_meets_the_memory_limit() {
    let grow = module(1, 1, |f| {
        f.instructions()
            .loop_(BlockType::Empty)
            .i32_const(16)
            .memory_grow(0)
            .i32_const(-1)
            .i32_ne()
            .br_if(0)
            .end()
            .unreachable();
    });
    refused_by("memory", &with_module(&grow, 1)).await;
}

#[tokio::test]
async fn a_start_function_that_grows_a_table_meets_the_table_limit() {
    let grow = module(1, 1, |f| {
        f.instructions()
            .loop_(BlockType::Empty)
            .ref_null(HeapType::FUNC)
            .i32_const(1_000)
            .table_grow(0)
            .i32_const(-1)
            .i32_ne()
            .br_if(0)
            .end()
            .unreachable();
    });
    refused_by("table_elements", &with_module(&grow, 1)).await;
}

#[tokio::test]
async fn a_start_function_that_recurses_meets_the_stack_limit() {
    let recurse = module(1, 1, |f| {
        // Something after the call, so that it is not the last thing.
        f.instructions().call(0).global_get(0).i32_const(1).i32_add().global_set(0);
    });
    refused_by("stack", &with_module(&recurse, 1)).await;
}

#[tokio::test]
async fn a_trap_in_a_start_function_is_a_failure_of_the_component() {
    let stopped = refused(&with_module(
        &module(1, 1, |f| {
            f.instructions().unreachable();
        }),
        1,
    ))
    .await;
    let Stopped::Trap { words, .. } = &stopped else { panic!("{stopped:?}") };
    assert!(words.contains("unreachable"), "{words}");
    // The way through the guest's functions is for whoever asks, and not for the sentence.
    let error = Error::from(stopped.clone());
    assert_eq!(error.message, stopped.to_string());
    assert!(error.causes().any(|cause| cause.to_string().contains("wasm backtrace")), "{error:?}");
}

#[tokio::test]
async fn a_memory_that_begins_too_large_meets_the_memory_limit() {
    refused_by("memory", &with_module(&module(600, 1, |_| {}), 1)).await;
}

#[tokio::test]
async fn many_small_memories_meet_the_same_memory_limit() {
    // 20 times 2 MiB: each is small, all together are not.
    refused_by("memory", &with_module(&module(32, 1, |_| {}), 20)).await;
}

#[tokio::test]
async fn a_table_that_begins_too_large_meets_the_table_limit() {
    refused_by("table_elements", &with_module(&module(1, 1_000_000, |_| {}), 1)).await;
}

#[tokio::test]
async fn hundreds_of_instances_meet_the_limit_of_instances() {
    // The format itself allows 1,000.
    refused_by("instances", &with_module(&module(0, 0, |_| {}), 200)).await;
}
