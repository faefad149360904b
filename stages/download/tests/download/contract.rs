//! What the contract asks of every stage.

use igpt_download::Download;
use igpt_testing::Trial;
use serde_json::json;

#[test]
fn the_contract_is_kept() {
    Trial::new(Download).check(&json!({"source": "textures", "train": 12, "test": 4, "size": 8}));
}
