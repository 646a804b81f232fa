//! What may depend on what, and under which licences.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use std::collections::BTreeMap;

fn metadata() -> Metadata {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).exec().expect("cargo metadata")
}

/// Which of our crates each of them may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("ferromq-model", &[]),
    ("ferromq-protocol", &["ferromq-model"]),
    ("ferromq-net", &["ferromq-model", "ferromq-protocol"]),
    ("ferromq-store", &["ferromq-model", "ferromq-protocol"]),
    ("ferromq-namesrv", &["ferromq-model", "ferromq-protocol", "ferromq-net"]),
    ("ferromq-broker", &["ferromq-model", "ferromq-protocol", "ferromq-net", "ferromq-store"]),
    ("ferromq-client", &["ferromq-model", "ferromq-protocol", "ferromq-net"]),
    (
        "ferromq",
        &["ferromq-model", "ferromq-client", "ferromq-broker", "ferromq-namesrv", "ferromq-store"],
    ),
    (
        "ferromq-server",
        &[
            "ferromq-model",
            "ferromq-protocol",
            "ferromq-store",
            "ferromq-namesrv",
            "ferromq-broker",
            "ferromq-client",
        ],
    ),
    ("ferromq-interop", &["ferromq", "ferromq-testkit"]),
    ("ferromq-bench", &["ferromq", "ferromq-interop"]),
    ("ferromq-examples", &["ferromq"]),
    ("ferromq-ffi", &["ferromq"]),
    ("ferromq-node", &["ferromq"]),
    ("ferromq-python", &["ferromq"]),
];

#[test]
fn arrows_point_one_way() {
    let metadata = metadata();
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        if name == "ferromq-testkit" {
            continue;
        }
        let Some(allowed) = allowed.get(name) else {
            wrong.push(format!("{name} is not in the table of this test"));
            continue;
        };
        for dependency in &package.dependencies {
            let ours = dependency.path.is_some();
            if ours
                && dependency.kind == DependencyKind::Normal
                && !allowed.contains(&dependency.name.as_str())
            {
                wrong.push(format!("{name} must not depend on {}", dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_test_kit_is_for_tests_only() {
    for package in metadata().workspace_packages() {
        if package.name.as_str() == "ferromq-interop" {
            // Tests too.
            continue;
        }
        for dependency in &package.dependencies {
            let ends_up_in_products = dependency.kind != DependencyKind::Development;
            assert!(
                dependency.name != "ferromq-testkit" || !ends_up_in_products,
                "{} must not depend on ferromq-testkit",
                package.name
            );
        }
    }
}

/// Licences under which a dependency may be used; one of those that it offers is enough.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "MIT",
    "MIT-0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "zlib-acknowledgement",
    "Unicode-3.0",
    "CC0-1.0",
    "Unlicense",
    "BSL-1.0",
    "0BSD",
    "Apache-2.0 WITH LLVM-exception",
];

/// Tools that tests run and nothing that is shipped contains: any open licence will do.
const TOOLS: &[&str] = &["cbindgen"];

/// Whether an SPDX expression can be satisfied with licences of the list.
fn acceptable(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    expression.split(" OR ").any(|choice| {
        let parts = choice.split(" AND ").map(|part| part.trim_matches(['(', ')', ' ']));
        parts.into_iter().all(|part| LICENCES.contains(&part))
    })
}

#[test]
fn dependencies_have_licences_that_fit() {
    let metadata = metadata();
    let wrong: Vec<String> = metadata
        .packages
        .iter()
        .filter(|package| !TOOLS.contains(&package.name.as_str()))
        .filter(|package| !package.license.as_deref().is_some_and(acceptable))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.license))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_licence_check_can_fail() {
    assert!(acceptable("MIT OR GPL-3.0"));
    assert!(acceptable("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(!acceptable("GPL-3.0-only"));
    assert!(!acceptable("MIT AND GPL-3.0-only"));
}

#[test]
fn there_is_one_version() {
    let metadata = metadata();
    let packages = metadata.workspace_packages();
    assert!(packages.iter().all(|package| package.version == packages[0].version));
}
