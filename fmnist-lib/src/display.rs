//! Rich output in an evcxr notebook: one bundle of the same thing in several formats.

use std::io::Write;

/// Shows `parts`, pairs of (MIME type, content), as one output of the cell; the front end picks
/// the format it likes best. Binary content must be base64.
pub(crate) fn emit(parts: &[(&str, &str)]) {
    let mut out = std::io::stdout().lock();
    // A notebook that has gone away is no reason to panic in the cell that was drawing.
    let _ = out
        .write_all(bundle(parts).as_bytes())
        .and_then(|()| out.flush());
}

fn bundle(parts: &[(&str, &str)]) -> String {
    parts
        .iter()
        .map(|(mime, content)| {
            format!(
                "EVCXR_BEGIN_CONTENT {mime}\n{}\nEVCXR_END_CONTENT\n",
                content.trim_end()
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_bundle_is_what_the_kernel_parses() {
        assert_eq!(
            super::bundle(&[("text/plain", "a\nb\n"), ("image/png", "QQ==")]),
            "EVCXR_BEGIN_CONTENT text/plain\na\nb\nEVCXR_END_CONTENT\n\
             EVCXR_BEGIN_CONTENT image/png\nQQ==\nEVCXR_END_CONTENT\n"
        );
    }
}
