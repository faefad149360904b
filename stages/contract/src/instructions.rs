//! The vector instructions that floating-point work runs on.

/// The widest vector instructions of this processor. With other instructions, floats may round
/// differently.
pub fn instruction_set() -> String {
    #[cfg(target_arch = "x86_64")]
    for (name, found) in [
        ("avx512", std::arch::is_x86_feature_detected!("avx512f")),
        (
            "avx2+fma",
            std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma"),
        ),
    ] {
        if found {
            return format!("x86_64 {name}");
        }
    }
    std::env::consts::ARCH.to_owned()
}
