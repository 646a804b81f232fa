//! What linkers of other systems than Linux must be told about symbols that Node has.
fn main() {
    napi_build::setup();
}
