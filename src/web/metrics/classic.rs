//! The older text of Prometheus (0.0.4), made of that of OpenMetrics.
//!
//! They differ in the families of counters and infos, which are named there as their samples are,
//! in the types that the older one does not know, and in the lines that it has no use for.

/// The same metrics in the older text.
pub(super) fn classic(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
            continue;
        }
        if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((of, words)) = help.take()
                && of == name
            {
                push(&mut text, &["# HELP ", name, suffix, " ", words]);
            }
            push(&mut text, &["# TYPE ", name, suffix, " ", kind]);
            continue;
        }
        if line.starts_with("# ") {
            continue;
        }
        push(&mut text, &[line]);
    }
    text
}

fn push(text: &mut String, parts: &[&str]) {
    for part in parts {
        text.push_str(part);
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_named_as_their_samples_and_the_rest_is_left_out() {
        let open_metrics = "\
# HELP a_seconds Some time.
# TYPE a_seconds gauge
# UNIT a_seconds seconds
a_seconds 1
# HELP b Some things.
# TYPE b counter
b_total{of=\"# x\"} 2
# HELP c A build.
# TYPE c info
c_info{version=\"1\"} 1
# EOF
";
        assert_eq!(
            classic(open_metrics),
            "\
# HELP a_seconds Some time.
# TYPE a_seconds gauge
a_seconds 1
# HELP b_total Some things.
# TYPE b_total counter
b_total{of=\"# x\"} 2
# HELP c_info A build.
# TYPE c_info gauge
c_info{version=\"1\"} 1
"
        );
    }
}
