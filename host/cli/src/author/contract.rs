//! The contract's WIT files, as they were when this program was built.
//! Takes nothing; gives names and texts. A test compares the list with the folder.

/// Every file, by its place in the folder.
pub(super) const FILES: [(&str, &str); 34] = [
    ("deps/cli/command.wit", include_str!("../../../../wit/deps/cli/command.wit")),
    ("deps/cli/environment.wit", include_str!("../../../../wit/deps/cli/environment.wit")),
    ("deps/cli/exit.wit", include_str!("../../../../wit/deps/cli/exit.wit")),
    ("deps/cli/imports.wit", include_str!("../../../../wit/deps/cli/imports.wit")),
    ("deps/cli/run.wit", include_str!("../../../../wit/deps/cli/run.wit")),
    ("deps/cli/stdio.wit", include_str!("../../../../wit/deps/cli/stdio.wit")),
    ("deps/cli/terminal.wit", include_str!("../../../../wit/deps/cli/terminal.wit")),
    ("deps/clocks/monotonic-clock.wit", include_str!("../../../../wit/deps/clocks/monotonic-clock.wit")),
    ("deps/clocks/timezone.wit", include_str!("../../../../wit/deps/clocks/timezone.wit")),
    ("deps/clocks/wall-clock.wit", include_str!("../../../../wit/deps/clocks/wall-clock.wit")),
    ("deps/clocks/world.wit", include_str!("../../../../wit/deps/clocks/world.wit")),
    ("deps/filesystem/preopens.wit", include_str!("../../../../wit/deps/filesystem/preopens.wit")),
    ("deps/filesystem/types.wit", include_str!("../../../../wit/deps/filesystem/types.wit")),
    ("deps/filesystem/world.wit", include_str!("../../../../wit/deps/filesystem/world.wit")),
    ("deps/http/handler.wit", include_str!("../../../../wit/deps/http/handler.wit")),
    ("deps/http/proxy.wit", include_str!("../../../../wit/deps/http/proxy.wit")),
    ("deps/http/types.wit", include_str!("../../../../wit/deps/http/types.wit")),
    ("deps/io/error.wit", include_str!("../../../../wit/deps/io/error.wit")),
    ("deps/io/poll.wit", include_str!("../../../../wit/deps/io/poll.wit")),
    ("deps/io/streams.wit", include_str!("../../../../wit/deps/io/streams.wit")),
    ("deps/io/world.wit", include_str!("../../../../wit/deps/io/world.wit")),
    ("deps/random/insecure-seed.wit", include_str!("../../../../wit/deps/random/insecure-seed.wit")),
    ("deps/random/insecure.wit", include_str!("../../../../wit/deps/random/insecure.wit")),
    ("deps/random/random.wit", include_str!("../../../../wit/deps/random/random.wit")),
    ("deps/random/world.wit", include_str!("../../../../wit/deps/random/world.wit")),
    ("deps/sockets/instance-network.wit", include_str!("../../../../wit/deps/sockets/instance-network.wit")),
    ("deps/sockets/ip-name-lookup.wit", include_str!("../../../../wit/deps/sockets/ip-name-lookup.wit")),
    ("deps/sockets/network.wit", include_str!("../../../../wit/deps/sockets/network.wit")),
    ("deps/sockets/tcp-create-socket.wit", include_str!("../../../../wit/deps/sockets/tcp-create-socket.wit")),
    ("deps/sockets/tcp.wit", include_str!("../../../../wit/deps/sockets/tcp.wit")),
    ("deps/sockets/udp-create-socket.wit", include_str!("../../../../wit/deps/sockets/udp-create-socket.wit")),
    ("deps/sockets/udp.wit", include_str!("../../../../wit/deps/sockets/udp.wit")),
    ("deps/sockets/world.wit", include_str!("../../../../wit/deps/sockets/world.wit")),
    ("gateway.wit", include_str!("../../../../wit/gateway.wit")),
];

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::path::Path;

    use super::*;

    fn walk(folder: &Path, root: &Path, all: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, root, all);
            } else if path.extension().is_some_and(|end| end == "wit") {
                all.push(path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/"));
            }
        }
    }

    #[test]
    fn no_file_of_the_contract_is_forgotten() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let mut all = Vec::new();
        walk(&root, &root, &mut all);
        // The texts that were released, for a comparison: nobody builds against those.
        all.retain(|name| !name.starts_with("versions/"));
        all.sort();
        let mut known: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        known.sort_unstable();
        assert_eq!(all, known);
    }
}
