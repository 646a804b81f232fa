//! The committed header is what the sources say. `UPDATE_HEADER=1` writes it anew.

use std::path::Path;

#[test]
fn the_header_is_current() -> Result<(), Box<dyn std::error::Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = here.join("../include/ferromq.h");
    let mut made = Vec::new();
    let config = cbindgen::Config::from_file(here.join("cbindgen.toml"))?;
    cbindgen::Builder::new().with_crate(here).with_config(config).generate()?.write(&mut made);
    let made = String::from_utf8(made)?;
    assert!(made.contains("ferromq_consumer_poll"), "functions are missing");
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(&path, &made)?;
    }
    let committed = std::fs::read_to_string(&path)?;
    assert!(made == committed, "include/ferromq.h differs: run scripts/ffi.sh --update");
    Ok(())
}
