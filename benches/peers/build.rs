//! Compiles the model of the C original, once with gcc and, where there is one, once with clang.

use std::process::Command;

fn main() {
    for file in ["incumbent.c", "incumbent.h", "user.c"] {
        println!("cargo::rerun-if-changed={file}");
    }
    println!("cargo::rustc-check-cfg=cfg(clang)");
    compile("gcc", "gcc");
    let clangs = ["clang-22", "clang"];
    if let Some(clang) = clangs.into_iter().find(|name| runs(name)) {
        compile(clang, "clang");
        println!("cargo::rustc-cfg=clang");
    }
}

fn compile(compiler: &str, prefix: &str) {
    cc::Build::new()
        .compiler(compiler)
        .files(["incumbent.c", "user.c"])
        .define("PREFIX", prefix)
        .opt_level(2)
        .debug(false)
        .compile(&format!("incumbent_{prefix}"));
}

fn runs(compiler: &str) -> bool {
    Command::new(compiler).arg("--version").output().is_ok_and(|output| output.status.success())
}
