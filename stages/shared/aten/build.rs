//! Compiles the C++ sources against the LibTorch that torch-sys found.

fn main() {
    println!("cargo:rerun-if-changed=src");
    #[cfg(feature = "tch")]
    {
        let lib =
            std::env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys says where LibTorch's libraries are");
        let include = std::path::Path::new(&lib).with_file_name("include");
        cc::Build::new()
            .cpp(true)
            .std("c++17")
            .includes(["src".into(), include.join("torch/csrc/api/include"), include])
            // Without them the headers of c10d are empty.
            .define("USE_DISTRIBUTED", None)
            .define("USE_C10D_GLOO", None)
            .warnings(false) // LibTorch's own headers have thousands
            .files(["src/aten.cpp", "src/c10d.cpp"])
            .compile("igpt_aten");
    }
}
