//! URLs without credentials.

/// A URL that may be shown and stored: `https://user:secret@host/x` without the credentials.
pub fn without_credentials(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host.to_owned(), |(_, host)| format!("***@{host}"));
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_shown() {
        assert_eq!(without_credentials("https://me:secret@host:1/x@y"), "https://***@host:1/x@y");
        assert_eq!(without_credentials("https://host/x@y?z"), "https://host/x@y?z");
        assert_eq!(without_credentials("./file"), "./file");
    }
}
