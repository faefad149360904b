//! Compiles `src/aten.cpp` against the LibTorch that torch-sys found.

fn main() {
    println!("cargo:rerun-if-changed=src/aten.cpp");
    #[cfg(feature = "tch")]
    {
        let lib =
            std::env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys says where LibTorch's libraries are");
        let include = std::path::Path::new(&lib).with_file_name("include");
        cc::Build::new()
            .cpp(true)
            .std("c++17")
            .includes([include.join("torch/csrc/api/include"), include])
            .warnings(false) // LibTorch's own headers have thousands
            .file("src/aten.cpp")
            .compile("igpt_aten");
    }
}
