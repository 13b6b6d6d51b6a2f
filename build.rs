//! How the binary is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |what: &str| std::env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    // The table that says where the program was loaded is read whole at each start and stays in memory: packed, it takes
    // some 50 KiB instead of 1.2 MiB. A linker that cannot do it warns and leaves it as it is.
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
